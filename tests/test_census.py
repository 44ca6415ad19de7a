"""The names of the project keep its rules; the exceptions are written down."""

import pytest

from tests.support.census import ROOT, Census, take_census


@pytest.fixture(scope="module")
def census() -> Census:
    """The census of this checkout."""
    return take_census()


def test_no_function_is_named_by_a_bare_participle(census: Census) -> None:
    """A function is a verb phrase or a predicate."""
    assert list(map(str, census.participles)) == []


def test_no_name_is_banned(census: Census) -> None:
    """A name says which thing it names, parameters and local variables included."""
    assert list(map(str, census.banned)) == []


def test_every_function_is_typed(census: Census) -> None:
    """Every parameter and every result has a type, in tests too."""
    assert list(map(str, census.untyped)) == []


def test_every_public_name_has_one_meaning_in_its_room(census: Census) -> None:
    """No two modules of a room define the same public name."""
    assert list(census.ambiguous) == []


def test_a_small_file_has_a_reason(census: Census) -> None:
    """A file of at most 30 lines with one importer is merged, or ARCHITECTURE.md says why it stays."""
    _, _, reasons = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("## Small files that stay")
    assert [crumb for crumb in census.crumbs if f"`{crumb}`" not in reasons] == []
