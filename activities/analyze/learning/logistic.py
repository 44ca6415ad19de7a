"""Logistic regression: the one way a probability is learned here."""

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.float64]

_STEPS = 30
_CLOSE = 1e-7


def fitted(evidence: Table, truth: Table, weights: Table, ridge: float) -> Table:
    """Return intercept and weights of highest likelihood by Newton's method; one row of `evidence` an outcome.

    `ridge` pulls all but the intercept towards 0. `truth` is 0 or 1, `weights` how much each outcome counts.
    """
    table = np.column_stack([np.ones(len(truth)), evidence])
    pull = np.diag([1e-6, *[ridge] * evidence.shape[1]])
    beta = np.zeros(table.shape[1])
    for _ in range(_STEPS):
        guess = probability(table @ beta)
        slope = table.T @ (weights * (guess - truth)) + pull @ beta
        bend = (table * (weights * guess * (1.0 - guess))[:, None]).T @ table + pull
        change = np.linalg.solve(bend, slope)
        beta -= change
        if float(np.abs(change).max()) < _CLOSE:
            break
    return beta


def probability(score: Table) -> Table:
    """Return 1 / (1 + exp(−score)), without overflow."""
    return 1.0 / (1.0 + np.exp(-np.clip(score, -30.0, 30.0)))
