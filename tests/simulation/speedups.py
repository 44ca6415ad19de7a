"""Speed-ups that play a million cycles in half an hour: coarse ticks, and memoised functions.

Queries are rendered once, and Plan gets the diagnosis of Analyze instead of computing it again.
"""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

from activities import decision
from activities.analyze import activity as analyze
from activities.analyze.diagnose import diagnose
from activities.analyze.settings import AnalyzeSettings
from activities.model.diagnosis import Diagnosis
from activities.model.snapshot import AnalysisInput
from activities.monitor import activity as monitor
from activities.readings import analysis_input, instant
from activities.upkeep import activity as upkeep
from tests.simulation.plant import coarse_ticks

MEMOISED_FUNCTIONS = (
    (monitor, ("build_rules",)),
    (instant, ("build_rules", "prefilter_query", "coverage_query")),
    (analysis_input, ("build_rules", "values_queries", "coverage_detail_queries")),
)
"""Pure functions whose arguments are constant in a life, by the module that calls them."""


def memoise_by_identity(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function memoised by the identity of its first argument: a comparison by value is slow."""
    known: dict[tuple[Any, ...], tuple[Any, Any]] = {}

    def call_memoised(first: Any, *others: Any) -> Any:
        key = (id(first), *others)
        if key not in known:
            known[key] = (first, function(first, *others))
        return known[key][1]

    return call_memoised


class MemoisedDiagnosis:
    """The last diagnosis, returned again for an equal input."""

    def __init__(self) -> None:
        self.last: tuple[AnalysisInput, AnalyzeSettings, Diagnosis] | None = None

    def __call__(self, source: AnalysisInput, settings: AnalyzeSettings) -> Diagnosis:
        """Return what `diagnose` returns."""
        if self.last is None or self.last[1] is not settings or self.last[0] != source:
            self.last = (source, settings, diagnose(source, settings))
        return self.last[2]


@contextmanager
def fast_simulation() -> Iterator[None]:
    """Apply the speed-ups within the block."""
    changes = [(module, name) for module, names in MEMOISED_FUNCTIONS for name in names]
    memoised = {name: memoise_by_identity(getattr(module, name)) for module, name in changes}
    patches = [mock.patch.object(module, name, memoised[name]) for module, name in changes]
    # Fast compression: the size of snapshots does not matter in a life.
    patches.append(mock.patch.object(zlib, "compress", partial(zlib.compress, level=1)))
    memoised_diagnose = MemoisedDiagnosis()
    patches += [mock.patch.object(module, "diagnose", memoised_diagnose) for module in (analyze, decision, upkeep)]
    with coarse_ticks():
        for patch in patches:
            patch.start()
        try:
            yield
        finally:
            for patch in patches:
                patch.stop()
