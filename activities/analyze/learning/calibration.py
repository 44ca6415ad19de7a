"""From evidence to a probability: Platt scaling over recorded outcomes."""

import math
from collections.abc import Sequence

import numpy as np

from activities.analyze.learning.logistic import fitted
from activities.model.types import Settings

_SMALLEST, _LARGEST = 0.01, 0.99
"""No finite record proves a certainty."""


class Calibration(Settings):
    """A logistic curve: probability = 1 / (1 + exp(−(intercept + weights · evidence)))."""

    intercept: float
    weights: tuple[float, ...]

    def probability(self, evidence: Sequence[float]) -> float:
        """Return the probability, 0.01 to 0.99, that a fault is behind evidence with these features."""
        score = self.intercept + sum(w * x for w, x in zip(self.weights, evidence, strict=True))
        return min(_LARGEST, max(_SMALLEST, 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, score))))))


def fit(
    evidence: Sequence[Sequence[float]], faulty: Sequence[bool], weights: Sequence[float], ridge: float
) -> Calibration:
    """Return the curve of highest likelihood for recorded evidence, each outcome weighted.

    `ridge` pulls the weights (not the intercept) towards 0, like that many outcomes without a lesson.

    Raises:
        ValueError: no outcomes, or all of them the same: then there is no curve.
    """
    if len(set(faulty)) < 2:
        raise ValueError(f"no curve from {len(faulty)} outcomes that are all the same")
    beta = fitted(np.asarray(evidence, float), np.asarray(faulty, float), np.asarray(weights, float), ridge)
    return Calibration(intercept=round(float(beta[0]), 4), weights=tuple(round(float(x), 4) for x in beta[1:]))
