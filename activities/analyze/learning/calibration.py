"""Platt scaling: from the features of evidence to a probability, fitted on recorded outcomes."""

from collections.abc import Sequence

import numpy as np

from activities.analyze.learning.logistic import fit_logistic, sigmoid
from activities.model.types import Settings

_MIN_PROBABILITY, _MAX_PROBABILITY = 0.01, 0.99
"""Outcomes never prove a certainty."""


class Calibration(Settings):
    """A logistic curve: probability = 1 / (1 + exp(−(intercept + weights · features)))."""

    intercept: float
    weights: tuple[float, ...]

    def probability(self, features: Sequence[float]) -> float:
        """Return the probability, 0.01 to 0.99, of a fault behind evidence with these features."""
        score = self.intercept + sum(w * x for w, x in zip(self.weights, features, strict=True))
        return min(_MAX_PROBABILITY, max(_MIN_PROBABILITY, float(sigmoid(np.asarray(score)))))


def fit_calibration(
    features: Sequence[Sequence[float]], labels: Sequence[bool], weights: Sequence[float], ridge: float
) -> Calibration:
    """Return the curve of highest likelihood for weighted outcomes.

    `ridge` pulls the weights, not the intercept, towards 0 like that many outcomes without evidence.

    Raises:
        ValueError: there are no outcomes, or all labels are equal.
    """
    if len(set(labels)) < 2:
        raise ValueError(f"cannot fit a curve to {len(labels)} outcomes with equal labels; both labels are needed")
    coefficients = fit_logistic(
        np.asarray(features, float), np.asarray(labels, float), np.asarray(weights, float), ridge
    )
    return Calibration(
        intercept=round(float(coefficients[0]), 4), weights=tuple(round(float(x), 4) for x in coefficients[1:])
    )
