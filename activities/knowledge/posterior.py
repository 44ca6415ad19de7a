"""What is believed of an action against a cause, as a Beta distribution, and the choice between equally safe options.

Outcomes whose verification was blind or contradictory have no value and never come here (`classify`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from activities.knowledge.effectiveness import prior
from activities.knowledge.settings import KnowledgeSettings
from activities.model.experience import Record

Draws = NDArray[np.float64]
"""Sampled figures, one row for each option and one column for each draw."""

STRENGTH = 2.0
"""Outcomes a prior is worth: a few real ones soon outweigh it."""
CAUTION = 0.05
"""Probability with which an action is worse than its lower bound."""


class Posterior(NamedTuple):
    """A Beta distribution of the rate at which an action helps: `good` and `bad` outcomes, the prior's included."""

    good: float
    bad: float

    @property
    def mean(self) -> float:
        """The expected rate: the mean of the outcomes, shrunk towards the prior."""
        return self.good / (self.good + self.bad)

    @property
    def lower(self) -> float:
        """The one-sided lower bound: the rate is higher with probability 1 − `CAUTION`. For gates, not for choices."""
        from scipy.special import betaincinv

        return float(betaincinv(self.good, self.bad, CAUTION))


class Choice(NamedTuple):
    """The chosen index, and for every index the probability with which it would have been chosen."""

    chosen: int
    propensities: tuple[float, ...]


def posterior(mean: float, good: float = 0.0, bad: float = 0.0) -> Posterior:
    """Return what is believed after (decayed) sums of good and bad outcomes upon a prior of this mean.

    The prior never decays: an action that is not tried for long is believed to be what it was believed to be at first.

    Raises:
        ValueError: the mean is not within 0 to 1, exclusive, or a sum is negative.
    """
    if not 0.0 < mean < 1.0:
        raise ValueError(f"a prior of {mean} leaves nothing to learn")
    if good < 0.0 or bad < 0.0:
        raise ValueError(f"sums of outcomes cannot be negative: {good}, {bad}")
    return Posterior(STRENGTH * mean + good, STRENGTH * (1.0 - mean) + bad)


def believed(record: Record, component: str, settings: KnowledgeSettings) -> Posterior:
    """Return what is believed of the record's action against its cause where that sits on `component`.

    What was seen on all components together is the prior of what was seen on this one. With learning switched off
    it is the action type's own prior for ever.
    """
    own = prior(record.action)
    if not settings.pattern_learning_enabled:
        return posterior(own)
    everywhere, here = posterior(own, record.good, record.bad), record.on(component)
    return posterior(everywhere.mean, here.good, here.bad) if here.n else everywhere


def effects(options: Sequence[Sequence[Posterior]], draws: int, seed: int) -> Draws:
    """Return `draws` samples of each option's effect: 1 − Π(1 − eᵢ) over its actions, each eᵢ from its posterior."""
    generator = np.random.default_rng(seed)
    missed = [np.prod([1.0 - generator.beta(one.good, one.bad, draws) for one in option], axis=0) for option in options]
    return 1.0 - np.array(missed)


def thompson(worths: Draws) -> Choice:
    """Return the option that is worth most in the first draw (Thompson 1933).

    Its propensity is the share of all draws in which it is worth most, the first one among them: never 0 for what was
    chosen, and with a standard error of at most 1 ÷ (2 √draws).
    """
    best = np.argmax(worths, axis=0)
    shares = np.bincount(best, minlength=len(worths)) / best.size
    return Choice(int(best[0]), tuple(float(share) for share in shares))
