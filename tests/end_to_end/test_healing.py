"""Every kind of fault once, on a real stack: what the loop does about it, by Charter's own account."""

import pytest

from activities.model.audit import AuditEntry
from tests.end_to_end.background_scenarios import BackgroundScenarios
from tests.end_to_end.incidents import (
    BLINDING_FAULTS,
    HEALABLE_FAULTS,
    MIN_BLIND_CYCLES,
    WORSENED_FAULT,
    IncidentRecord,
)

pytestmark = pytest.mark.stack

EXPECTED_REMEDIES = {
    "few-validators": ("SCALE_UP", "committee"),
    "bad-policy": ("APPLY_POLICY", "admission"),
    "overload": ("REBALANCE_LOAD", "rebalance-load.policy-engine"),
    "slow-node": ("RESTART_SERVICE", "committee"),
    "dead-node": ("RESTART_SERVICE", "committee"),
    "retry-cascade": ("THROTTLE_REQUESTS", "throttle-requests.gateway"),
}


def list_effects(record: IncidentRecord) -> list[tuple[str, str, str]]:
    return [(row["effect"], row["kind"], row["knob"]) for row in record.ledger]


def list_phases(audit: tuple[AuditEntry, ...]) -> list[tuple[str, int, str, int | None]]:
    return [(row.direction, row.attempt, row.phase, row.status) for row in audit if row.kind == "attempt"]


def test_every_fault_has_its_remedy() -> None:
    """No healable kind is left out."""
    assert EXPECTED_REMEDIES.keys() == HEALABLE_FAULTS.keys()


@pytest.mark.parametrize("kind", HEALABLE_FAULTS)
async def test_healed(background_scenarios: BackgroundScenarios, kind: str) -> None:
    """A fault is detected, remedied by exactly one effect at Charter, verified, and remembered exactly once."""
    told = await background_scenarios.incident_records.wait_for_incident(kind)
    plan, outcome = told.remediation.plan, told.outcome
    assert told.result.outcome in ("fixed", "improved")
    assert list_effects(told) == [("applied", *EXPECTED_REMEDIES[kind])]
    assert told.ledger[0]["key"] == f"{plan.plan_id}-0-do"
    assert [cycle.result.plans for cycle in told.cycles if cycle.result.plans] == [(plan.plan_id,)]
    assert outcome is not None
    assert (outcome.plan_id, outcome.outcome) == (plan.plan_id, told.result.outcome)
    assert told.outcome_counts[1] == told.outcome_counts[0] + 1
    assert list_phases(told.audit) == [("do", 1, "before", None), ("do", 1, "after", 200)]
    assert [row.summary.split(":")[0] for row in told.audit if row.kind == "ending"] == [told.result.outcome]


async def test_rolled_back(background_scenarios: BackgroundScenarios) -> None:
    """A remedy that makes it worse is undone with the next generation, and the committee has its size again."""
    told = await background_scenarios.incident_records.wait_for_incident(WORSENED_FAULT[0])
    assert told.result.outcome == "rolled_back"
    assert told.result.applied == told.result.rolled_back
    done, undone = (row for row in told.ledger if row["knob"] == "committee")
    assert (done["effect"], undone["effect"]) == ("applied", "rolled_back")
    assert done["generation_before"] < done["generation_after"] == undone["generation_before"]
    assert undone["generation_before"] < undone["generation_after"]
    assert told.replicas[0] == told.replicas[1]
    assert list_phases(told.audit) == [
        (way, 1, *end) for way in ("do", "undo") for end in (("before", None), ("after", 200))
    ]
    assert told.outcome is not None
    assert told.outcome.type == "degradation"
    assert told.outcome_counts[1] == told.outcome_counts[0] + 1


@pytest.mark.parametrize("kind", BLINDING_FAULTS)
async def test_blind(background_scenarios: BackgroundScenarios, kind: str) -> None:
    """An exporter that is silent or lies makes cycles blind on its component: never healthy, and nothing is done."""
    told = await background_scenarios.incident_records.wait_for_blindness(kind)
    assert len(told.cycles) >= MIN_BLIND_CYCLES
    assert {cycle.result.outcome for cycle in told.cycles} == {"blind"}
    assert all(any(BLINDING_FAULTS[kind] in text for text in cycle.result.blind) for cycle in told.cycles)
    assert told.ledger == ()
