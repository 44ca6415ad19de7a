"""The JSON shapes of the API. Times leave as ISO 8601 in UTC, on the doors as unix seconds."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from deploy.simulator.committee import Committee
from deploy.simulator.plant import Plant
from deploy.simulator.policies import Application, PolicyBook
from deploy.simulator.records import Change, Restart, Spec
from deploy.simulator.topology import QUORUM
from deploy.simulator.violation_detector import OwnViolation

Json = dict[str, Any]


def iso(at: float) -> str:
    """Time as ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def change_view(change: Change | None) -> Json | None:
    """Last change of a knob; null if only Charter itself set it."""
    return None if change is None else {**asdict(change), "at": iso(change.at)}


def spec_view(spec: Spec | None) -> Json | None:
    """A policy as a client writes it; null for none."""
    if spec is None:
        return None
    return {"name": spec.name, "kind": spec.kind, "component": spec.component, "parameters": dict(spec.parameters)}


def policy_view(application: Application, book: PolicyBook) -> Json:
    """One application of a policy; `generation` and `last_change` are those of its knob now."""
    knob = book.knob(application.spec.name)
    return {
        "id": application.policy_id,
        **(spec_view(application.spec) or {}),
        "status": application.status,
        "version": application.version,
        "generation": knob.generation,
        "last_change": change_view(knob.last_change),
        "applied_at": iso(application.applied_at),
    }


def restart_view(restart: Restart | None) -> Json | None:
    """Last restart; null if there was none."""
    return None if restart is None else {**(change_view(restart.change) or {}), "member": restart.member}


def committee_view(plant: Plant) -> Json:
    """State of the committee; `replicas` counts all members, `healthy_nodes` those that work now."""
    committee = plant.committee
    members = [_member_view(plant, name) for name in committee.names]
    healthy = sum(member["healthy"] for member in members)
    return {
        "status": _status(plant, healthy),
        "replicas": len(members),
        "healthy_nodes": healthy,
        "timestamp": iso(plant.now),
        "generation": committee.generation,
        "last_change": change_view(committee.last_change),
        "last_restart": restart_view(committee.last_restart),
        "members": members,
    }


def violation_view(violation: OwnViolation) -> Json:
    """One of Charter's own violations."""
    fields = asdict(violation)
    fields["id"] = fields.pop("violation_id")
    fields["opened_at"] = iso(violation.opened_at)
    fields["closed_at"] = None if violation.closed_at is None else iso(violation.closed_at)
    return fields


def state_view(plant: Plant) -> Json:
    """Ground truth for the doors; times are unix seconds."""
    faults = [{"kind": fault.kind, "component": fault.component, "until": fault.until} for fault in plant.faults]
    return {
        "time": plant.now,
        "components": list(plant.components),
        "faults": faults,
        "committee": committee_view(plant),
        "policies": [policy_view(application, plant.policies) for application in plant.policies.active()],
    }


def _member_view(plant: Plant, name: str) -> Json:
    state = _member_state(plant, plant.committee, name)
    return {"name": name, "healthy": state == "active", "leader": name == plant.committee.leader, "state": state}


def _member_state(plant: Plant, committee: Committee, name: str) -> str:
    if name in plant.restarts.out():
        return "restarting"
    if name in plant.dead():
        return "dead"
    return "active" if name in committee.joined(plant.now) else "joining"


def _status(plant: Plant, healthy: int) -> str:
    committee = plant.committee
    if healthy < QUORUM:
        return "critical"
    if plant.restarts.busy or len(committee.joined(plant.now)) < len(committee.names):
        return "recovering"
    waits = [plant.sight.waits.get(name, 0.0) for name in committee.names]
    return "degraded" if healthy < len(committee.names) or sum(waits) / len(waits) > 1.0 else "normal"
