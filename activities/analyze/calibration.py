"""From evidence to a probability: Platt scaling over recorded outcomes."""

import math
from collections.abc import Sequence

from activities.model.base import Settings

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
