"""The checklists of CONTRIBUTING.md are complete: every place exists, and no place is missing."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from activities.model.action import ActionType
from activities.model.diagnosis import Cause
from activities.model.guard_rule import GuardRule
from activities.model.pattern import PatternKind

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ITEM = re.compile(r"^- \[ \] `([^`]+)`: (.*)$", re.MULTILINE)

MEMBERS: Mapping[str, Iterable[str]] = {
    "Add an action": [action.name for action in ActionType],
    "Add a cause": [cause.name for cause in Cause if cause is not Cause.UNKNOWN],
    "Add an analyzer": [kind.name for kind in PatternKind],
    "Add a guard": [rule.name for rule in GuardRule],
}
"""Checklist → the present members that its "each" files must name."""


def read_checklists() -> dict[str, list[tuple[str, str]]]:
    """Return the checklists by heading; each item is (file, what to do there)."""
    sections = re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]
    return {section.splitlines()[0]: ITEM.findall(section) for section in sections}


CHECKLISTS = read_checklists()


def count_names(path: Path, names: Iterable[str]) -> int:
    """Return how many of the names are a word of the file."""
    words = set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    return sum(name in words for name in names)


@pytest.mark.parametrize(
    ("heading", "place"), [(heading, item[0]) for heading, items in CHECKLISTS.items() for item in items]
)
def test_every_place_exists(heading: str, place: str) -> None:
    """A checklist names files of this repository."""
    assert (ROOT / place).is_file(), heading


@pytest.mark.parametrize("heading", MEMBERS)
def test_what_names_each_member_does(heading: str) -> None:
    """A file marked "each" names every present member."""
    names = list(MEMBERS[heading])
    places = [place for place, task in CHECKLISTS[heading] if task.startswith("each")]
    assert places
    assert {place: count_names(ROOT / place, names) for place in places} == dict.fromkeys(places, len(names))


@pytest.mark.parametrize("heading", MEMBERS)
def test_no_place_is_missing(heading: str) -> None:
    """A file of the product that names more than half of the members is on the checklist."""
    names = list(MEMBERS[heading])
    listed = {place for place, _ in CHECKLISTS[heading]}
    sources = (path for room in ("activities", "worker", "workflows", "deploy") for path in (ROOT / room).rglob("*.py"))
    crowded = {str(path.relative_to(ROOT)) for path in sources if count_names(path, names) > len(names) // 2}
    assert crowded - listed == set()
