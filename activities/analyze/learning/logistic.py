"""Logistic regression, for the calibration of confidences and for the forecasts of a backtest."""

import numpy as np

from activities.model.types import FloatArray

_MAX_ITERATIONS = 30
_CONVERGENCE_TOLERANCE = 1e-7


def fit_logistic(features: FloatArray, labels: FloatArray, weights: FloatArray, ridge: float) -> FloatArray:
    """Return intercept and weights of highest likelihood by Newton's method; `features` has one row an outcome.

    `ridge` pulls all but the intercept towards 0. `labels` are 0 or 1; `weights` are those of the outcomes.
    """
    table = np.column_stack([np.ones(len(labels)), features])
    penalty = np.diag([1e-6, *[ridge] * features.shape[1]])
    coefficients = np.zeros(table.shape[1])
    for _ in range(_MAX_ITERATIONS):
        probability = sigmoid(table @ coefficients)
        gradient = table.T @ (weights * (probability - labels)) + penalty @ coefficients
        hessian = (table * (weights * probability * (1.0 - probability))[:, None]).T @ table + penalty
        change = np.linalg.solve(hessian, gradient)
        coefficients -= change
        if float(np.abs(change).max()) < _CONVERGENCE_TOLERANCE:
            break
    return coefficients


def sigmoid(score: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(−score)), without overflow."""
    return 1.0 / (1.0 + np.exp(-np.clip(score, -30.0, 30.0)))
