"""The effectiveness of an action against a cause as a Beta distribution, and Thompson sampling between safe options.

Outcomes of a blind or contradictory verification have no value (`classify_outcome`) and are not counted.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from activities.knowledge.effectiveness import prior_effectiveness
from activities.knowledge.settings import KnowledgeSettings
from activities.model.experience import ActionStats

SampleMatrix = NDArray[np.float64]
"""Sampled values: one row per option, one column per draw."""

PRIOR_STRENGTH = 2.0
"""The weight of a prior, in outcomes: a few real ones outweigh it."""
LOWER_BOUND_ALPHA = 0.05
"""Probability that an action is worse than its lower bound."""


class Posterior(NamedTuple):
    """A Beta distribution of the rate at which an action helps. Both parameters include the prior."""

    alpha: float
    beta: float

    @property
    def mean(self) -> float:
        """The expected rate: the mean of the outcomes, shrunk towards the prior."""
        return self.alpha / (self.alpha + self.beta)

    @property
    def lower_bound(self) -> float:
        """The one-sided lower bound, at `LOWER_BOUND_ALPHA`. For gates, not for choices."""
        from scipy.special import betaincinv

        return float(betaincinv(self.alpha, self.beta, LOWER_BOUND_ALPHA))


class ThompsonChoice(NamedTuple):
    """The index of the chosen option, and the probability of each option to be chosen."""

    chosen: int
    propensities: tuple[float, ...]


def build_posterior(prior_mean: float, successes: float = 0.0, failures: float = 0.0) -> Posterior:
    """Return the posterior after (decayed) sums of successes and failures, from a prior of this mean.

    The prior does not decay: an action without recent outcomes returns to it.

    Raises:
        ValueError: The mean is not within 0 to 1, exclusive, or a sum is negative.
    """
    if not 0.0 < prior_mean < 1.0:
        raise ValueError(f"the mean of a prior must be within 0 to 1, exclusive: {prior_mean}")
    if successes < 0.0 or failures < 0.0:
        raise ValueError(f"sums of outcomes must not be negative: {successes}, {failures}")
    return Posterior(PRIOR_STRENGTH * prior_mean + successes, PRIOR_STRENGTH * (1.0 - prior_mean) + failures)


def posterior_for(stats: ActionStats, component: str, settings: KnowledgeSettings) -> Posterior:
    """Return the posterior of the action against its cause on `component`.

    The posterior over all components is the prior of each component. With learning disabled the result is the prior of
    the action type.
    """
    prior_mean = prior_effectiveness(stats.action)
    if not settings.pattern_learning_enabled:
        return build_posterior(prior_mean)
    overall = build_posterior(prior_mean, stats.success_weight, stats.failure_weight)
    local = stats.for_component(component)
    return build_posterior(overall.mean, local.success_weight, local.failure_weight) if local.count else overall


def sample_effects(options: Sequence[Sequence[Posterior]], draw_count: int, seed: int) -> SampleMatrix:
    """Return `draw_count` samples of each option's effect: 1 − Π(1 − eᵢ), each eᵢ from an action's posterior."""
    generator = np.random.default_rng(seed)
    failures = [
        np.prod([1.0 - generator.beta(posterior.alpha, posterior.beta, draw_count) for posterior in option], axis=0)
        for option in options
    ]
    return 1.0 - np.array(failures)


def thompson_sample(scores: SampleMatrix) -> ThompsonChoice:
    """Return the option with the highest score in the first draw (Thompson 1933).

    Its propensity is the share of all draws, the first included, in which it scores highest. So it is not 0 for the
    chosen option; its standard error is at most 1 ÷ (2 √draws).
    """
    best = np.argmax(scores, axis=0)
    shares = np.bincount(best, minlength=len(scores)) / best.size
    return ThompsonChoice(int(best[0]), tuple(float(share) for share in shares))
