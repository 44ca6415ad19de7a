"""What is believed of an action against a cause, as a Beta distribution, and the choice between equally safe actions.

Outcomes whose verification was blind or contradictory have no value and never come here (`classify`).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import betainc, betaincinv

STRENGTH = 2.0
"""Outcomes the prior is worth: a few real ones soon outweigh it."""
DECAY = 0.995
"""Weight an outcome loses with each later one of the same action: what helped 500 outcomes ago counts a twelfth."""
CAUTION = 0.05
"""Probability with which an action is worse than its lower bound."""
_GRID = 1001


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
        return float(betaincinv(self.good, self.bad, CAUTION))


class Choice(NamedTuple):
    """The chosen index, and for every index the probability with which it would have been chosen."""

    chosen: int
    propensities: tuple[float, ...]


def posterior(prior: float, values: Iterable[float], decay: float = DECAY) -> Posterior:
    """Return the posterior after outcomes with these values (0 to 1), the oldest first.

    The prior is a mean, 0 to 1, exclusive, and never decays: an action that is not tried for long is believed to be
    what it was believed to be at first.

    Raises:
        ValueError: a prior or a value outside its range.
    """
    if not 0.0 < prior < 1.0:
        raise ValueError(f"a prior of {prior} leaves nothing to learn")
    good = bad = 0.0
    for value in values:
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"an outcome is worth 0 to 1, not {value}")
        good, bad = decay * good + value, decay * bad + 1.0 - value
    return Posterior(STRENGTH * prior + good, STRENGTH * (1.0 - prior) + bad)


def greedy(options: Sequence[Posterior]) -> Choice:
    """Return the option with the highest mean, the first of equals: the choice where exploring is not allowed."""
    chosen = max(range(len(options)), key=lambda i: (options[i].mean, -i))
    return Choice(chosen, tuple(float(i == chosen) for i in range(len(options))))


def thompson(options: Sequence[Posterior], seed: int) -> Choice:
    """Return the option that is best in one draw from each posterior (Thompson 1933); the seed decides the draw."""
    drawn = np.random.default_rng(seed).beta([o.good for o in options], [o.bad for o in options])
    return Choice(int(np.argmax(drawn)), best_shares(options))


def best_shares(options: Sequence[Posterior]) -> tuple[float, ...]:
    """Return the probability of each option to be the best one: ∫ fᵢ(x) Πⱼ≠ᵢ Fⱼ(x) dx, which sums to 1."""
    places = np.linspace(0.0, 1.0, _GRID)
    below = np.array([betainc(option.good, option.bad, places) for option in options])
    middle = (below[:, 1:] + below[:, :-1]) / 2.0
    mass = np.diff(below, axis=1)
    shares = np.array([(mass[i] * np.delete(middle, i, axis=0).prod(axis=0)).sum() for i in range(len(options))])
    return tuple(float(share) for share in shares / shares.sum())
