"""What is believed of an action against a cause, as a Beta distribution, and the choice between equally safe options.

Outcomes whose verification was blind or contradictory have no value and never come here (`classify`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from activities.knowledge.effectiveness import prior_effectiveness
from activities.knowledge.settings import KnowledgeSettings
from activities.model.experience import ActionStats

SampleMatrix = NDArray[np.float64]
"""Sampled figures, one row for each option and one column for each draw."""

PRIOR_STRENGTH = 2.0
"""Outcomes a prior is worth: a few real ones soon outweigh it."""
LOWER_BOUND_ALPHA = 0.05
"""Probability with which an action is worse than its lower bound."""


class Posterior(NamedTuple):
    """A Beta distribution of the rate at which an action helps: `good` and `bad` outcomes, the prior's included."""

    alpha: float
    beta: float

    @property
    def mean(self) -> float:
        """The expected rate: the mean of the outcomes, shrunk towards the prior."""
        return self.alpha / (self.alpha + self.beta)

    @property
    def lower_bound(self) -> float:
        """The one-sided lower bound: the rate is higher with probability 1 − `CAUTION`. For gates, not for choices."""
        from scipy.special import betaincinv

        return float(betaincinv(self.alpha, self.beta, LOWER_BOUND_ALPHA))


class ThompsonChoice(NamedTuple):
    """The chosen index, and for every index the probability with which it would have been chosen."""

    chosen: int
    propensities: tuple[float, ...]


def build_posterior(prior_mean: float, successes: float = 0.0, failures: float = 0.0) -> Posterior:
    """Return what is believed after (decayed) sums of good and bad outcomes upon a prior of this mean.

    The prior never decays: an action that is not tried for long is believed to be what it was believed to be at first.

    Raises:
        ValueError: the mean is not within 0 to 1, exclusive, or a sum is negative.
    """
    if not 0.0 < prior_mean < 1.0:
        raise ValueError(f"a prior of {prior_mean} leaves nothing to learn")
    if successes < 0.0 or failures < 0.0:
        raise ValueError(f"sums of outcomes cannot be negative: {successes}, {failures}")
    return Posterior(PRIOR_STRENGTH * prior_mean + successes, PRIOR_STRENGTH * (1.0 - prior_mean) + failures)


def posterior_for(stats: ActionStats, component: str, settings: KnowledgeSettings) -> Posterior:
    """Return what is believed of the record's action against its cause where that sits on `component`.

    What was seen on all components together is the prior of what was seen on this one. With learning switched off
    it is the action type's own prior for ever.
    """
    own = prior_effectiveness(stats.action)
    if not settings.pattern_learning_enabled:
        return build_posterior(own)
    everywhere, here = build_posterior(own, stats.success_weight, stats.failure_weight), stats.for_component(component)
    return build_posterior(everywhere.mean, here.success_weight, here.failure_weight) if here.count else everywhere


def sample_effects(options: Sequence[Sequence[Posterior]], draw_count: int, seed: int) -> SampleMatrix:
    """Return `draws` samples of each option's effect: 1 − Π(1 − eᵢ) over its actions, each eᵢ from its posterior."""
    generator = np.random.default_rng(seed)
    missed = [
        np.prod([1.0 - generator.beta(one.alpha, one.beta, draw_count) for one in option], axis=0) for option in options
    ]
    return 1.0 - np.array(missed)


def thompson_sample(scores: SampleMatrix) -> ThompsonChoice:
    """Return the option that is worth most in the first draw (Thompson 1933).

    Its propensity is the share of all draws in which it is worth most, the first one among them: never 0 for what was
    chosen, and with a standard error of at most 1 ÷ (2 √draws).
    """
    best = np.argmax(scores, axis=0)
    shares = np.bincount(best, minlength=len(scores)) / best.size
    return ThompsonChoice(int(best[0]), tuple(float(share) for share in shares))
