"""Fit the calibration of Analyze to recorded outcomes."""

from collections.abc import Sequence

import numpy as np

from activities.analyze.calibration import Calibration
from activities.analyze.logistic import fitted


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
