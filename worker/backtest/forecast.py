"""The predictions of a backtest: models learned from the past of a recording, and asked at each instant after it."""

from array import array
from collections.abc import Sequence

import numpy as np

from activities.analyze.learning.logistic import Table
from activities.analyze.patterns.predictive import HORIZON, Model, Scale, company, learn, outlook, scale_of
from activities.model.baseline import Outlook
from worker.backtest.rolling_history import Key

LEARN = 30.0
"""Days of history a model learns from at most."""
MOST = 20_000
"""Samples of history kept at most, whatever the step: memory is bounded."""
AGAIN = 7.0
"""Days after which a model learns anew, and before the first."""
_COARSEST = 4
"""Samples a day below which nothing is predicted."""


class Forecaster:
    """The models of one recording. `train_end` (unix seconds): learn once, there; None: learn as time goes by."""

    def __init__(self, step: float, train_end: float | None) -> None:
        self.step = step
        self._train_end = train_end
        self._day, self._ahead = round(86400.0 / step), max(1, round(HORIZON / step))
        self._size = min(MOST, round(LEARN * 86400.0 / step))
        self._history: dict[Key, array[float]] = {}
        self._models: dict[Key, Model] = {}
        self._scales: dict[str, Scale] = {}
        self._grouped: dict[str, list[Key]] = {}
        self._learned_at: float | None = None
        self._first: float | None = None

    def take(self, at: float, samples: dict[Key, float]) -> tuple[Outlook, ...]:
        """Return the outlooks at an instant, with its samples as the newest known."""
        if self.step > HORIZON or self._day < _COARSEST:
            return ()
        self._first = at if self._first is None else self._first
        for key in samples.keys() - self._history.keys():
            self._history[key] = array("f")
        for key, line in self._history.items():
            line.append(samples.get(key, line[-1] if line else float("nan")))
            if len(line) > 2 * self._size:
                del line[: -self._size]
        if self._due(at):
            self._learn(at)
        beside = {name: self._beside(name) for name in {component for component, _ in self._models}}
        return tuple(self._asked(key, model, beside[key[0]]) for key, model in self._models.items())

    def _due(self, at: float) -> bool:
        if self._train_end is not None:
            return self._learned_at is None and at >= self._train_end
        since = self._learned_at if self._learned_at is not None else self._first
        return since is not None and at - since >= AGAIN * 86400.0

    def _learn(self, at: float) -> None:
        self._learned_at = at
        self._models = {}
        self._grouped = {name: [k for k in self._history if k[0] == name] for name in {key[0] for key in self._history}}
        for name, keys in self._grouped.items():
            table = self._table(keys, self._size)
            self._scales[name] = scale_of(table)
            beside = company(table, self._scales[name])
            found = {
                key: learn(values, beside, self._day, self._ahead) for key, values in zip(keys, table, strict=True)
            }
            self._models |= {key: model for key, model in found.items() if model is not None}

    def _table(self, keys: Sequence[Key], instants: int) -> Table:
        """Return the last instants of some series, a row each, NaN where one is younger."""
        lines = [self._history[key][-instants:] for key in keys]
        table = np.full((len(lines), max(len(line) for line in lines)), np.nan)
        for row, line in zip(table, lines, strict=True):
            row[len(row) - len(line) :] = line
        return table

    def _beside(self, component: str) -> Table:
        """Return the newest row of a component's company."""
        newest: Table = company(self._table(self._grouped[component], 2), self._scales[component])[-1]
        return newest

    def _asked(self, key: Key, model: Model, beside: Table) -> Outlook:
        recent = np.array(self._history[key][-(8 * self._day + 2) :], float)
        chance = outlook(model, recent, beside, self._day, self._ahead)
        return Outlook(component=key[0], metric=key[1], limit=model.limit, within=HORIZON, probability=round(chance, 6))
