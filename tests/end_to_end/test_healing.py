"""Each kind of fault once on a real stack, and the loop's effects in Charter's ledger."""

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


def test_every_fault_has_an_expected_remedy() -> None:
    """The table has every healable kind."""
    assert EXPECTED_REMEDIES.keys() == HEALABLE_FAULTS.keys()


@pytest.mark.parametrize("kind", HEALABLE_FAULTS)
async def test_fault_is_healed_by_one_effect(background_scenarios: BackgroundScenarios, kind: str) -> None:
    """A fault is detected, healed by one effect at Charter, verified, and recorded once."""
    incident = await background_scenarios.incident_records.wait_for_incident(kind)
    plan, outcome = incident.remediation.plan, incident.outcome
    assert incident.result.outcome in ("fixed", "improved")
    assert list_effects(incident) == [("applied", *EXPECTED_REMEDIES[kind])]
    assert incident.ledger[0]["key"] == f"{plan.plan_id}-0-do"
    assert [cycle.result.plans for cycle in incident.cycles if cycle.result.plans] == [(plan.plan_id,)]
    assert outcome is not None
    assert (outcome.plan_id, outcome.outcome) == (plan.plan_id, incident.result.outcome)
    assert incident.outcome_counts[1] == incident.outcome_counts[0] + 1
    assert list_phases(incident.audit) == [("do", 1, "before", None), ("do", 1, "after", 200)]
    assert [row.summary.split(":")[0] for row in incident.audit if row.kind == "ending"] == [incident.result.outcome]


async def test_harmful_remedy_is_rolled_back(background_scenarios: BackgroundScenarios) -> None:
    """A harmful remedy is undone with the next generation, and the committee has its previous size."""
    incident = await background_scenarios.incident_records.wait_for_incident(WORSENED_FAULT[0])
    assert incident.result.outcome == "rolled_back"
    assert incident.result.applied == incident.result.rolled_back
    applied, rolled_back = (row for row in incident.ledger if row["knob"] == "committee")
    assert (applied["effect"], rolled_back["effect"]) == ("applied", "rolled_back")
    assert applied["generation_before"] < applied["generation_after"] == rolled_back["generation_before"]
    assert rolled_back["generation_before"] < rolled_back["generation_after"]
    assert incident.replicas[0] == incident.replicas[1]
    assert list_phases(incident.audit) == [
        (direction, 1, *phase) for direction in ("do", "undo") for phase in (("before", None), ("after", 200))
    ]
    assert incident.outcome is not None
    assert incident.outcome.type == "degradation"
    assert incident.outcome_counts[1] == incident.outcome_counts[0] + 1


@pytest.mark.parametrize("kind", BLINDING_FAULTS)
async def test_failed_exporter_makes_cycles_blind(background_scenarios: BackgroundScenarios, kind: str) -> None:
    """With a silent or lying exporter cycles are blind on its component, never healthy, and change nothing."""
    incident = await background_scenarios.incident_records.wait_for_blindness(kind)
    assert len(incident.cycles) >= MIN_BLIND_CYCLES
    assert {cycle.result.outcome for cycle in incident.cycles} == {"blind"}
    assert all(any(BLINDING_FAULTS[kind] in text for text in cycle.result.blind) for cycle in incident.cycles)
    assert incident.ledger == ()
