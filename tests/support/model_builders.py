"""Models to put into the store."""

from typing import Any

from activities.clients.store.guards import ensure_quarantined
from activities.clients.store.store import Store
from activities.model.action import Action, ActionType
from activities.model.audit import AttemptPhase, AuditEntry, AuditKind
from activities.model.diagnosis import Cause
from activities.model.incident import KnobProblem, Rung
from activities.model.outcome import EffectClass, Outcome, OutcomeTransaction
from activities.model.plan import Plan, Risk, Verification
from activities.plan.settings import CoolDownSettings

SCALE_ACTION = Action(type=ActionType.SCALE_UP, parameters={"replicas": 6}, cost=0.2)


def make_plan(plan_id: str = "a" * 12, **changes: Any) -> Plan:
    """Return a plan for `committee`."""
    values: dict[str, Any] = {
        "plan_id": plan_id,
        "hash": plan_id.ljust(64, "0"),
        "loop": "charter",
        "charter": "charter",
        "cycle_id": "mapek-cycle:charter:manual-1",
        "knob": "committee",
        "incident_id": "i" * 12,
        "rung": 0,
        "cause": Cause.OVERLOAD,
        "component": "committee",
        "onset": 1000.0,
        "generation": 3,
        "actions": (SCALE_ACTION,),
        "created_at": 1010.0,
        "settle": 15.0,
        "verification": Verification(targets=(("validator-1", "failure_rate"),)),
        "cool_downs": CoolDownSettings().to_cool_downs(),
        "risk": Risk.LOW,
        "needs_approval": False,
        "confidence": 0.9,
        "cost": 0.2,
        "benefit": 0.72,
        "score": 0.52,
        "snapshot": "s" * 64,
        "headline": "SCALE_UP committee",
    }
    return Plan(**{**values, **changes})


def make_outcome(plan_id: str = "a" * 12, **changes: Any) -> Outcome:
    """Return the outcome of a plan that fixed its problem."""
    values: dict[str, Any] = {
        "plan_id": plan_id,
        "loop": "charter",
        "charter": "charter",
        "knob": "committee",
        "actions": (ActionType.SCALE_UP,),
        "cause": Cause.OVERLOAD,
        "component": "committee",
        "outcome": "fixed",
        "type": EffectClass.SUCCESS,
        "value": 1.0,
        "before": 3,
        "at": 1100.0,
        "seconds": 60.0,
        "headline": "3 of 3 resolved",
    }
    return Outcome(**{**values, **changes})


def make_outcome_transaction(plan_id: str = "a" * 12, **changes: Any) -> OutcomeTransaction:
    """Return the transaction that ends a plan; changes are fields of the transaction."""
    return OutcomeTransaction(**{"outcome": make_outcome(plan_id), **changes})


def make_rung(plan_id: str = "a" * 12, number: int = 0) -> Rung:
    """Return a running rung."""
    return Rung(rung=number, plan_id=plan_id, cause=Cause.OVERLOAD, component="committee")


def make_problem(knob: str = "committee", onset: float = 1000.0, observed_at: float = 1010.0) -> KnobProblem:
    """Return a problem of a knob of `charter`."""
    return KnobProblem(charter="charter", knob=knob, onset=onset, observed_at=observed_at)


async def quarantine_knob(store: Store, knob: str, reason: str, now: float, loop: str = "charter") -> None:
    """Quarantine a knob of `charter`, with an audit row."""
    entry = AuditEntry(at=now, kind=AuditKind.QUARANTINE, loop=loop, knob=knob, summary=reason)
    await store.database.write(lambda connection: ensure_quarantined(connection, "charter", knob, entry))


def make_attempt_row(plan_id: str = "a" * 12, **changes: Any) -> AuditEntry:
    """Return the audit row of a request that changes Charter."""
    values: dict[str, Any] = {
        "at": 1050.0,
        "kind": AuditKind.ATTEMPT,
        "loop": "charter",
        "plan_id": plan_id,
        "phase": AttemptPhase.BEFORE,
        "attempt": 1,
    }
    return AuditEntry(**{**values, **changes})
