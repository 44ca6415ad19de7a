"""Forecasts of a backtest: models learn from the past of a recording and predict at each instant after it."""

from array import array
from collections.abc import Sequence

import numpy as np

from activities.model.types import DAY_SECONDS, FloatArray, FrozenModel, MetricKey
from worker.backtest.crossing_model import (
    HORIZON_SECONDS,
    ComponentScale,
    CrossingModel,
    compute_covariates,
    compute_scale,
    fit_model,
    predict_crossing,
)

LEARN_DAYS = 30.0
"""Maximum days of history that a model learns from."""
MAX_SAMPLES = 20_000
"""Maximum samples of history per series, which bounds memory for any step."""
RELEARN_DAYS = 7.0
"""Days between two fits of a model, and before the first."""
_MIN_SAMPLES_PER_DAY = 4
"""Samples per day below which there are no forecasts."""


class Forecast(FrozenModel):
    """The `probability`, 0 to 1, that a metric is above `limit` within `horizon_seconds`."""

    component: str
    metric: str
    limit: float
    horizon_seconds: float
    probability: float


class Forecaster:
    """The models of one recording. With `train_end` (unix seconds) they learn once, then; without it repeatedly."""

    def __init__(self, step: float, train_end: float | None) -> None:
        self.step = step
        self._train_end = train_end
        self._samples_per_day, self._horizon_samples = round(DAY_SECONDS / step), max(1, round(HORIZON_SECONDS / step))
        self._size = min(MAX_SAMPLES, round(LEARN_DAYS * DAY_SECONDS / step))
        self._history: dict[MetricKey, array[float]] = {}
        self._models: dict[MetricKey, CrossingModel] = {}
        self._scales: dict[str, ComponentScale] = {}
        self._keys_by_component: dict[str, list[MetricKey]] = {}
        self._learned_at: float | None = None
        self._first: float | None = None

    def advance(self, at: float, samples: dict[MetricKey, float]) -> tuple[Forecast, ...]:
        """Return the forecasts at an instant, with its samples as the newest known."""
        if self.step > HORIZON_SECONDS or self._samples_per_day < _MIN_SAMPLES_PER_DAY:
            return ()
        self._first = at if self._first is None else self._first
        for key in samples.keys() - self._history.keys():
            self._history[key] = array("f")
        for key, line in self._history.items():
            line.append(samples.get(key, line[-1] if line else float("nan")))
            if len(line) > 2 * self._size:
                del line[: -self._size]
        if self._is_learning_due(at):
            self._learn(at)
        covariates = {name: self._newest_covariates(name) for name in {component for component, _ in self._models}}
        return tuple(self._predict(key, model, covariates[key[0]]) for key, model in self._models.items())

    def _is_learning_due(self, at: float) -> bool:
        if self._train_end is not None:
            return self._learned_at is None and at >= self._train_end
        since = self._learned_at if self._learned_at is not None else self._first
        return since is not None and at - since >= RELEARN_DAYS * DAY_SECONDS

    def _learn(self, at: float) -> None:
        self._learned_at = at
        self._models = {}
        self._keys_by_component = {
            name: [k for k in self._history if k[0] == name] for name in {key[0] for key in self._history}
        }
        for name, keys in self._keys_by_component.items():
            table = self._build_table(keys, self._size)
            self._scales[name] = compute_scale(table)
            covariates = compute_covariates(table, self._scales[name])
            models = {
                key: fit_model(values, covariates, self._samples_per_day, self._horizon_samples)
                for key, values in zip(keys, table, strict=True)
            }
            self._models |= {key: model for key, model in models.items() if model is not None}

    def _build_table(self, keys: Sequence[MetricKey], instants: int) -> FloatArray:
        """Return the last instants of some series, one row each, NaN before the first sample."""
        lines = [self._history[key][-instants:] for key in keys]
        table = np.full((len(lines), max(len(line) for line in lines)), np.nan)
        for row, line in zip(table, lines, strict=True):
            row[len(row) - len(line) :] = line
        return table

    def _newest_covariates(self, component: str) -> FloatArray:
        """Return the newest row of a component's covariates."""
        newest: FloatArray = compute_covariates(
            self._build_table(self._keys_by_component[component], 2), self._scales[component]
        )[-1]
        return newest

    def _predict(self, key: MetricKey, model: CrossingModel, covariate_row: FloatArray) -> Forecast:
        recent = np.array(self._history[key][-(8 * self._samples_per_day + 2) :], float)
        probability = predict_crossing(model, recent, covariate_row, self._samples_per_day, self._horizon_samples)
        return Forecast(
            component=key[0],
            metric=key[1],
            limit=model.limit,
            horizon_seconds=HORIZON_SECONDS,
            probability=round(probability, 6),
        )
