"""Logistic regression: the one way a probability is learned here."""

import numpy as np

from activities.model.types import FloatArray

_MAX_ITERATIONS = 30
_CONVERGENCE_TOLERANCE = 1e-7


def fit_logistic(features: FloatArray, labels: FloatArray, weights: FloatArray, ridge: float) -> FloatArray:
    """Return intercept and weights of highest likelihood by Newton's method; one row of `evidence` an outcome.

    `ridge` pulls all but the intercept towards 0. `truth` is 0 or 1, `weights` how much each outcome counts.
    """
    table = np.column_stack([np.ones(len(labels)), features])
    pull = np.diag([1e-6, *[ridge] * features.shape[1]])
    beta = np.zeros(table.shape[1])
    for _ in range(_MAX_ITERATIONS):
        guess = sigmoid(table @ beta)
        slope = table.T @ (weights * (guess - labels)) + pull @ beta
        bend = (table * (weights * guess * (1.0 - guess))[:, None]).T @ table + pull
        change = np.linalg.solve(bend, slope)
        beta -= change
        if float(np.abs(change).max()) < _CONVERGENCE_TOLERANCE:
            break
    return beta


def sigmoid(score: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(−score)), without overflow."""
    return 1.0 / (1.0 + np.exp(-np.clip(score, -30.0, 30.0)))
