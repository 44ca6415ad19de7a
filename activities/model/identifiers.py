"""Every name that Temporal and its users see, once: workflow types and ids, task queues, search attributes."""

import re
from datetime import datetime
from enum import StrEnum

TASK_QUEUE = "mapek"
VERIFY_TASK_QUEUE = "mapek-verify"
"""Verifications poll for minutes. A queue of their own keeps a hundred of them from delaying a Monitor."""

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]*")
"""The form of loop names, Charter names and request keys."""


class WorkflowName(StrEnum):
    """The workflow types as Temporal shows them."""

    CYCLE = "MapekCycle"
    REMEDIATION = "MapekRemediation"
    FORMER_REMEDIATION = "Remediation"
    """The type of remediations started before the type was renamed; still registered, no longer started."""
    LOOP = "MapekLoop"
    UPKEEP = "MapekUpkeep"


REMEDIATION_TYPES = (WorkflowName.REMEDIATION, WorkflowName.FORMER_REMEDIATION)


class SearchAttribute(StrEnum):
    """The search attributes. `workflows/search_attributes.py` has their typed keys."""

    LOOP = "MapekLoop"
    TRIGGER = "MapekTrigger"
    OUTCOME = "MapekOutcome"
    PHASE = "MapekPhase"
    KNOB = "MapekKnob"
    PLAN = "MapekPlan"
    ROOT_CAUSE = "MapekRootCause"
    BLOCKED_BY = "MapekBlockedBy"
    VIOLATIONS = "MapekViolations"
    SCORE = "MapekScore"


def type_query(*workflow_names: str) -> str:
    """Return the visibility filter for workflows of these types: `WorkflowType IN ("MapekCycle")`."""
    quoted = ", ".join(f'"{name}"' for name in workflow_names)
    return f"WorkflowType IN ({quoted})"


def schedule_id(loop: str) -> str:
    """Return the id of the loop's 30-second schedule; its cycles are `mapek-cycle:<loop>-<time>`."""
    return f"mapek:{loop}"


def upkeep_schedule_id(loop: str) -> str:
    """Return the id of the schedule of `MapekUpkeep`."""
    return f"mapek-upkeep:{loop}"


def cycle_prefix(loop: str) -> str:
    """Return the id the schedule gives its cycles; Temporal appends `-<time>`."""
    return f"mapek-cycle:{loop}"


def cycle_id(loop: str, trigger: str, key: str) -> str:
    """Return the id of a requested cycle: the same key is the same cycle."""
    return f"{cycle_prefix(loop)}:{trigger}-{key}"


def loop_workflow_id(loop: str) -> str:
    """Return the id of the loop's long-lived intake."""
    return f"mapek-loop:{loop}"


def remediation_id(charter: str, knob: str) -> str:
    """Return the fixed id of every remediation of this knob: the lock, for every loop on the same Charter."""
    return f"mapek-fix:{charter}:{knob}"


def timestamp_key(at: datetime) -> str:
    """Return an instant as part of an id: `20260131T120030.123z`."""
    return at.strftime("%Y%m%dT%H%M%S.") + f"{at.microsecond // 1000:03d}z"
