"""What lets a million cycles pass in half an hour: coarse ticks, and queries that are rendered once."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from unittest import mock

from activities.analyze import activity as analyze
from activities.monitor import activity as monitor
from tests.simulation.plant import coarse_ticks

RENDERED = (
    (monitor, ("rules_of", "prefilter_query", "coverage_query")),
    (analyze, ("rules_of", "values_queries", "coverage_detail_queries")),
)
"""Pure functions whose arguments never change in a life, by the module that calls them."""


@contextmanager
def quick() -> Iterator[None]:
    """Let lives within the block be quick."""
    changes = [(module, name) for module, names in RENDERED for name in names]
    remembered = {name: lru_cache(maxsize=8)(getattr(module, name)) for module, name in changes}
    patches = [mock.patch.object(module, name, remembered[name]) for module, name in changes]
    with coarse_ticks():
        for patch in patches:
            patch.start()
        try:
            yield
        finally:
            for patch in patches:
                patch.stop()
