"""The bandit simulation: nine actions, what each rule of choice costs, with and without a drift at half time."""

from collections.abc import Callable

import numpy as np

from activities.knowledge.posterior import STRENGTH
from activities.model.experience import DECAY

ACTIONS = 9
SEEDS = 200
SATURATION = 30

Rule = Callable[[np.ndarray, np.ndarray, np.random.Generator], int]
"""(good, tried, generator) → action; the counts are discounted where the rule asks for it."""


def original(good: np.ndarray, tried: np.ndarray, _: np.random.Generator) -> int:
    """Mean × min(n ÷ 30, 1), untried actions first: the rule that was replaced."""
    if (tried == 0).any():
        return int(np.argmin(tried))
    return int(np.argmax(good / tried * np.minimum(tried / SATURATION, 1.0)))


def shrunken(good: np.ndarray, tried: np.ndarray, _: np.random.Generator) -> int:
    """The mean shrunk towards 0.5 until 30 outcomes: the rule in force while exploring is off."""
    weight = np.minimum(tried / SATURATION, 1.0)
    return int(np.argmax(weight * good / np.maximum(tried, 1) + (1.0 - weight) * 0.5))


def sampled(good: np.ndarray, tried: np.ndarray, generator: np.random.Generator) -> int:
    """Thompson sampling from the posterior, as `knowledge.posterior` draws it."""
    return int(np.argmax(generator.beta(STRENGTH / 2 + good, STRENGTH / 2 + tried - good)))


def random(good: np.ndarray, _: np.ndarray, generator: np.random.Generator) -> int:
    """Any action."""
    return int(generator.integers(len(good)))


RULES: dict[str, tuple[Rule, float]] = {
    "thompson": (sampled, DECAY),
    "shrunken mean": (shrunken, 1.0),
    "original": (original, 1.0),
    "random": (random, 1.0),
}


def regret(rule: Rule, decay: float, steps: int, drift: bool, seed: int) -> float:
    """Return the regret of one run: what always taking the best action would have brought more.

    Rates are drawn from Beta(2, 2), anew at half time if `drift`. Choices and outcomes depend on the seed alone.
    """
    generator = np.random.default_rng(seed)
    rates = generator.beta(2.0, 2.0, ACTIONS)
    good, tried, lost = np.zeros(ACTIONS), np.zeros(ACTIONS), 0.0
    for step in range(steps):
        if drift and step == steps // 2:
            rates = generator.beta(2.0, 2.0, ACTIONS)
        action = rule(good, tried, generator)
        lost += float(rates.max() - rates[action])
        success = float(generator.random() < rates[action])
        good[action] = decay * good[action] + success
        tried[action] = decay * tried[action] + 1.0
    return lost


def table(seeds: int = SEEDS) -> dict[str, dict[str, float]]:
    """Return the mean regret of each rule after 300 choices, and after 600 with a drift."""
    return {
        name: {
            "T300": float(np.mean([regret(rule, decay, 300, False, seed) for seed in range(seeds)])),
            "T600_drift": float(np.mean([regret(rule, decay, 600, True, seed) for seed in range(seeds)])),
        }
        for name, (rule, decay) in RULES.items()
    }
