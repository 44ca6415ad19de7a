"""Former keys: each is refused, and the message has the new name."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.worker.config.test_load import load_refused
from worker.config.legacy import REFUSED_FORMER_KEYS, RenamedKey

LIST_ENTRIES: dict[str, dict[str, Any]] = {
    "windows": {"name": "w", "cron": "0 22 * * *", "duration_seconds": 60},
    "metrics": {"name": "failure_rate"},
}
"""Entries of the lists with former keys."""
FORMER_VALUES: dict[str, tuple[Any, str]] = {
    "plan.windows[].opens": (True, "true; this key is now called plan.windows[0].mode: write mode: allow"),
    "monitor.metrics[].bad": ("low", '"low"; this key is now called monitor.metrics[0].breach'),
    "knowledge.autonomy.pinned": ([], "a list; this key is now called knowledge.autonomy.overrides"),
}
"""Values of the former keys that are not numbers, with the message after `is`."""


@pytest.mark.parametrize(
    ("renamed", "loop"),
    [
        (key, loop)
        for key in REFUSED_FORMER_KEYS
        for loop in (False, True)
        if not (loop and key.former.startswith("api."))
    ],
    ids=lambda value: value.former if isinstance(value, RenamedKey) else str(value),
)
def test_a_former_key_is_refused_with_its_new_name(tmp_path: Path, renamed: RenamedKey, loop: bool) -> None:
    """The only problem has file, line, value and the new name, for the file and for a loop."""
    former = renamed.former
    section, *keys = former.replace("[]", "").split(".")
    present = renamed.present.replace("[]", "[0]")
    value, text = FORMER_VALUES.get(former, (7, f"7; this key is now called {present}"))
    settings: Any = value
    for key in reversed(keys):
        settings = {key: [LIST_ENTRIES[key] | settings] if f"{key}[]" in former else settings}
    document = {section: settings}
    (problem,) = load_refused(tmp_path, {"loops": [{"name": "a"} | document]} if loop else document)
    prefix = "loops[0]." if loop else ""
    assert re.match(r"mapek\.yaml:\d+: ", problem)
    assert f": {prefix}{former.replace('[]', '[0]')}: is {text.replace('called ', f'called {prefix}')}" in problem


def test_a_former_key_in_the_environment_is_refused(tmp_path: Path) -> None:
    """The message names the variable instead of file and line."""
    (problem,) = load_refused(tmp_path, "{}", {"MAPEK__PLAN__COOLDOWN__KEPT": "90s"})
    assert problem.startswith('environment MAPEK__PLAN__COOLDOWN__KEPT: plan.cooldown.kept: is "90s"; this key is now')
