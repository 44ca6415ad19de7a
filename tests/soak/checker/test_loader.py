"""Tests of the loading of histories."""

from typing import Any

import pytest

from tests.soak.checker.loader import find_started_at

WORKFLOW_STARTED, WORKFLOW_TASK_SCHEDULED = (
    "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED",
    "EVENT_TYPE_WORKFLOW_TASK_SCHEDULED",
)


def make_event(kind: str, seconds: float) -> dict[str, Any]:
    """An event so many seconds after 1970."""
    return {"eventType": kind, "eventTime": f"1970-01-01T00:00:{seconds:06.3f}Z"}


@pytest.mark.parametrize(
    ("start", "history", "at"),
    [
        pytest.param(
            5.0,
            [make_event(WORKFLOW_STARTED, 5.0), make_event(WORKFLOW_TASK_SCHEDULED, 5.0)],
            5.0,
            id="the id was free",
        ),
        pytest.param(
            5.0,
            [make_event(WORKFLOW_STARTED, 5.0), make_event(WORKFLOW_TASK_SCHEDULED, 5.2)],
            5.2,
            id="waited for the previous run to end",
        ),
        pytest.param(
            9.0,
            [make_event(WORKFLOW_STARTED, 5.0), make_event(WORKFLOW_TASK_SCHEDULED, 5.2)],
            9.0,
            id="reset: the copied events are old",
        ),
        pytest.param(5.0, [make_event(WORKFLOW_STARTED, 5.0)], 5.0, id="no workflow task yet"),
    ],
)
def test_a_run_begins_when_it_takes_its_id(start: float, history: list[dict[str, Any]], at: float) -> None:
    """A run does not begin at the request: two runs of one id would seem to overlap."""
    assert find_started_at(start, history) == at
