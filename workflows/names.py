"""Names seen from outside: workflow and schedule ids, task queues, search attributes, signals and updates."""

import re
from datetime import datetime

from temporalio.common import SearchAttributeKey

TASK_QUEUE = "mapek"
VERIFY_TASK_QUEUE = "mapek-verify"
"""Verifications poll for minutes; on a queue of their own a hundred of them never delay a Monitor."""

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]*")
"""What names of loops, Charters and manual keys look like."""

LOOP = SearchAttributeKey.for_keyword("MapekLoop")
TRIGGER = SearchAttributeKey.for_keyword("MapekTrigger")
OUTCOME = SearchAttributeKey.for_keyword("MapekOutcome")
PHASE = SearchAttributeKey.for_keyword("MapekPhase")
KNOB = SearchAttributeKey.for_keyword("MapekKnob")
PLAN = SearchAttributeKey.for_keyword("MapekPlan")
ROOT_CAUSE = SearchAttributeKey.for_keyword("MapekRootCause")
BLOCKED_BY = SearchAttributeKey.for_keyword("MapekBlocked")
VIOLATIONS = SearchAttributeKey.for_keyword_list("MapekViolations")
SCORE = SearchAttributeKey.for_float("MapekScore")

SEARCH_ATTRIBUTES = (LOOP, TRIGGER, OUTCOME, PHASE, KNOB, PLAN, ROOT_CAUSE, BLOCKED_BY, VIOLATIONS, SCORE)


def schedule_id(loop: str) -> str:
    """Return the id of the loop's 30-second schedule; the cycles it starts are `mapek-cycle:<loop>-<time>`."""
    return f"mapek:{loop}"


def upkeep_schedule_id(loop: str) -> str:
    """Return the id of the schedule of `MapekUpkeep`."""
    return f"mapek-upkeep:{loop}"


def cycle_prefix(loop: str) -> str:
    """Return the id the schedule gives its cycles; Temporal appends `-<time>`."""
    return f"mapek-cycle:{loop}"


def cycle_id(loop: str, trigger: str, key: str) -> str:
    """Return the id of a cycle that was asked for: the same key is the same cycle."""
    return f"mapek-cycle:{loop}:{trigger}-{key}"


def loop_workflow_id(loop: str) -> str:
    """Return the id of the loop's long-lived intake."""
    return f"mapek-loop:{loop}"


def remediation_id(charter: str, knob: str) -> str:
    """Return the fixed id of whatever remediates this knob: the lock, for every loop on the same Charter."""
    return f"mapek-fix:{charter}:{knob}"


def timestamp_key(at: datetime) -> str:
    """Return an instant as part of an id: `20260131T120030.123z`."""
    return at.strftime("%Y%m%dT%H%M%S.") + f"{at.microsecond // 1000:03d}z"
