"""The bandit simulation: all action types, what each rule of choice costs, with and without a drift at half time."""

from collections.abc import Callable

import numpy as np

from activities.knowledge.posterior import PRIOR_STRENGTH
from activities.model.experience import OUTCOME_DECAY_FACTOR

ACTION_COUNT = 9
SEED_COUNT = 200
SATURATION_COUNT = 30

ChoiceRule = Callable[[np.ndarray, np.ndarray, np.random.Generator], int]
"""(good, tried, generator) → action; the counts are discounted where the rule asks for it."""


def choose_by_original_rule(successes: np.ndarray, attempts: np.ndarray, _: np.random.Generator) -> int:
    """Mean × min(n ÷ 30, 1), untried actions first: the rule that was replaced."""
    if (attempts == 0).any():
        return int(np.argmin(attempts))
    return int(np.argmax(successes / attempts * np.minimum(attempts / SATURATION_COUNT, 1.0)))


def choose_by_shrunken_mean(successes: np.ndarray, attempts: np.ndarray, _: np.random.Generator) -> int:
    """The mean shrunk towards 0.5 until 30 outcomes: the rule in force while exploring is off."""
    weight = np.minimum(attempts / SATURATION_COUNT, 1.0)
    return int(np.argmax(weight * successes / np.maximum(attempts, 1) + (1.0 - weight) * 0.5))


def choose_by_thompson(successes: np.ndarray, attempts: np.ndarray, generator: np.random.Generator) -> int:
    """Thompson sampling from the posterior, as `knowledge.posterior` draws it."""
    return int(np.argmax(generator.beta(PRIOR_STRENGTH / 2 + successes, PRIOR_STRENGTH / 2 + attempts - successes)))


def choose_at_random(successes: np.ndarray, _: np.ndarray, generator: np.random.Generator) -> int:
    """Any action."""
    return int(generator.integers(len(successes)))


CHOICE_RULES: dict[str, tuple[ChoiceRule, float]] = {
    "thompson": (choose_by_thompson, OUTCOME_DECAY_FACTOR),
    "shrunken mean": (choose_by_shrunken_mean, 1.0),
    "original": (choose_by_original_rule, 1.0),
    "random": (choose_at_random, 1.0),
}


def compute_regret(rule: ChoiceRule, decay: float, steps: int, drift: bool, seed: int) -> float:
    """Return the regret of one run: what always taking the best action would have brought more.

    Rates are drawn from Beta(2, 2), again at half time if `drift`. Choices and outcomes depend on the seed alone.
    """
    generator = np.random.default_rng(seed)
    rates = generator.beta(2.0, 2.0, ACTION_COUNT)
    good, tried, lost = np.zeros(ACTION_COUNT), np.zeros(ACTION_COUNT), 0.0
    for step in range(steps):
        if drift and step == steps // 2:
            rates = generator.beta(2.0, 2.0, ACTION_COUNT)
        action = rule(good, tried, generator)
        lost += float(rates.max() - rates[action])
        success = float(generator.random() < rates[action])
        good[action] = decay * good[action] + success
        tried[action] = decay * tried[action] + 1.0
    return lost


def compute_regret_table(seeds: int = SEED_COUNT) -> dict[str, dict[str, float]]:
    """Return the mean regret of each rule after 300 choices, and after 600 with a drift."""
    return {
        name: {
            "T300": float(np.mean([compute_regret(rule, decay, 300, False, seed) for seed in range(seeds)])),
            "T600_drift": float(np.mean([compute_regret(rule, decay, 600, True, seed) for seed in range(seeds)])),
        }
        for name, (rule, decay) in CHOICE_RULES.items()
    }
