"""What lets a million cycles pass in half an hour: coarse ticks, and nothing that is computed twice for the same input.

Queries are rendered once, and a diagnosis that Analyze made is not made again by Plan from what it was stored as.
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
from activities.clients.store import snapshots
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
"""Pure functions whose arguments never change in a life, by the module that calls them."""


def memoise_by_identity(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function remembering its results, by which object its first argument is: telling by value costs."""
    known: dict[tuple[Any, ...], tuple[Any, Any]] = {}

    def remembering(first: Any, *others: Any) -> Any:
        key = (id(first), *others)
        if key not in known:
            known[key] = (first, function(first, *others))
        return known[key][1]

    return remembering


class MemoisedDiagnosis:
    """A diagnosis, remembered until another one is asked for. Whoever asks with an equal input gets the same one."""

    def __init__(self) -> None:
        self.last: tuple[AnalysisInput, AnalyzeSettings, Diagnosis] | None = None

    def __call__(self, source: AnalysisInput, settings: AnalyzeSettings) -> Diagnosis:
        """Return what `diagnose` does."""
        if self.last is None or self.last[1] is not settings or self.last[0] != source:
            self.last = (source, settings, diagnose(source, settings))
        return self.last[2]


@contextmanager
def fast_simulation() -> Iterator[None]:
    """Let lives within the block be quick."""
    changes = [(module, name) for module, names in MEMOISED_FUNCTIONS for name in names]
    remembered = {name: memoise_by_identity(getattr(module, name)) for module, name in changes}
    patches = [mock.patch.object(module, name, remembered[name]) for module, name in changes]
    # Snapshots are packed lightly: how small they are is nothing a life is about.
    patches.append(mock.patch.object(snapshots.zlib, "compress", partial(zlib.compress, level=1)))
    diagnosed = MemoisedDiagnosis()
    patches += [mock.patch.object(module, "diagnose", diagnosed) for module in (analyze, decision, upkeep)]
    with coarse_ticks():
        for patch in patches:
            patch.start()
        try:
            yield
        finally:
            for patch in patches:
                patch.stop()
