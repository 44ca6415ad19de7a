"""What another policy would have earned, estimated from logged choices with their probabilities.

Of value only while every action the other policy prefers had a chance when the log was written.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple


class LoggedChoice(NamedTuple):
    """One logged choice: where, what, how probable it was then (above 0 to 1), and what it earned."""

    context: str
    action: str
    propensity: float
    value: float


class Estimate(NamedTuple):
    """The mean value of a choice of the other policy, its standard error, and how many choices it rests on.

    `effective` is Kish's sample size (Σw)² ÷ Σw²: far below the number of logged choices the estimate hangs on a few.
    """

    value: float
    standard_error: float
    effective_size: float


Policy = Callable[[str, str], float]
"""(context, action) → probability of that action there, 0 to 1."""
ValueModel = Callable[[str, str], float]
"""(context, action) → expected value."""


def estimate_inverse_propensity(log: Sequence[LoggedChoice], policy: Policy) -> Estimate:
    """Return the self-normalised estimate Σ wᵢ rᵢ ÷ Σ wᵢ with wᵢ = π(aᵢ|xᵢ) ÷ pᵢ (Swaminathan and Joachims 2015).

    Raises:
        ValueError: nothing logged, a propensity outside (0, 1], or no logged choice the policy would make.
    """
    weights = _importance_weights(log, policy)
    total = sum(weights)
    if total == 0.0:
        raise ValueError("the policy would have made none of the logged choices")
    value = sum(w * one.value for w, one in zip(weights, log, strict=True)) / total
    spread = sum((w * (one.value - value)) ** 2 for w, one in zip(weights, log, strict=True))
    return Estimate(value, math.sqrt(spread) / total, _effective_size(weights))


def estimate_doubly_robust(
    log: Sequence[LoggedChoice], policy: Policy, model: ValueModel, actions: Sequence[str]
) -> Estimate:
    """Return the doubly robust estimate: right if either the propensities or the model are (Dudík et al. 2011).

    It is the mean of Σₐ π(a|xᵢ) q(xᵢ, a) + wᵢ (rᵢ − q(xᵢ, aᵢ)).

    Raises:
        ValueError: nothing logged, or a propensity outside (0, 1].
    """
    weights = _importance_weights(log, policy)
    terms = [
        sum(policy(one.context, action) * model(one.context, action) for action in actions)
        + weight * (one.value - model(one.context, one.action))
        for weight, one in zip(weights, log, strict=True)
    ]
    value = sum(terms) / len(terms)
    spread = sum((term - value) ** 2 for term in terms)
    error = math.sqrt(spread / max(1, len(terms) - 1) / len(terms))
    return Estimate(value, error, _effective_size(weights))


def _importance_weights(log: Sequence[LoggedChoice], policy: Policy) -> list[float]:
    if not log:
        raise ValueError("nothing was logged")
    wrong = [one.propensity for one in log if not 0.0 < one.propensity <= 1.0]
    if wrong:
        raise ValueError(f"a propensity of {wrong[0]} cannot have led to a choice")
    return [policy(one.context, one.action) / one.propensity for one in log]


def _effective_size(weights: Sequence[float]) -> float:
    squares = sum(weight**2 for weight in weights)
    return sum(weights) ** 2 / squares if squares else 0.0
