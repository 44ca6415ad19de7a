"""The JSON of the API. Times are ISO 8601 in UTC; in the control API unix seconds."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from deploy.simulator.committee import Committee
from deploy.simulator.plant import Plant
from deploy.simulator.policies import PolicyApplication, PolicyRegistry
from deploy.simulator.records import KnobChange, PolicySpec, Restart
from deploy.simulator.topology import QUORUM
from deploy.simulator.violation_detector import CharterViolation

JsonObject = dict[str, Any]


def format_time(at: float) -> str:
    """Return a time as ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def serialize_change(change: KnobChange | None) -> JsonObject | None:
    """Return the last change of a knob; null if there was none."""
    return None if change is None else {**asdict(change), "at": format_time(change.at)}


def serialize_spec(spec: PolicySpec | None) -> JsonObject | None:
    """Return a policy as in a client's request; null for none."""
    if spec is None:
        return None
    return {"name": spec.name, "kind": spec.kind, "component": spec.component, "parameters": dict(spec.parameters)}


def serialize_policy(application: PolicyApplication, registry: PolicyRegistry) -> JsonObject:
    """Return one application of a policy, with the current generation and last change of its knob."""
    knob = registry.knob(application.spec.name)
    return {
        "id": application.policy_id,
        **(serialize_spec(application.spec) or {}),
        "status": application.status,
        "version": application.version,
        "generation": knob.generation,
        "last_change": serialize_change(knob.last_change),
        "applied_at": format_time(application.applied_at),
    }


def serialize_restart(restart: Restart | None) -> JsonObject | None:
    """Return the last restart; null if there was none."""
    return None if restart is None else {**(serialize_change(restart.change) or {}), "member": restart.member}


def serialize_committee(plant: Plant) -> JsonObject:
    """Return the state of the committee; `replicas` counts all members, `healthy_nodes` the working ones."""
    committee = plant.committee
    members = [_serialize_member(plant, name) for name in committee.member_names]
    healthy = sum(member["healthy"] for member in members)
    return {
        "status": _compute_status(plant, healthy),
        "replicas": len(members),
        "healthy_nodes": healthy,
        "timestamp": format_time(plant.now),
        "generation": committee.generation,
        "last_change": serialize_change(committee.last_change),
        "last_restart": serialize_restart(committee.last_restart),
        "members": members,
    }


def serialize_violation(violation: CharterViolation) -> JsonObject:
    """Return one of Charter's violations."""
    fields = asdict(violation)
    fields["id"] = fields.pop("violation_id")
    fields["opened_at"] = format_time(violation.opened_at)
    fields["closed_at"] = None if violation.closed_at is None else format_time(violation.closed_at)
    return fields


def serialize_state(plant: Plant) -> JsonObject:
    """Return the true state for the control API; times are unix seconds."""
    faults = [{"kind": fault.kind, "component": fault.component, "until": fault.until} for fault in plant.faults]
    return {
        "time": plant.now,
        "components": list(plant.components),
        "faults": faults,
        "committee": serialize_committee(plant),
        "policies": [serialize_policy(application, plant.policies) for application in plant.policies.list_active()],
    }


def _serialize_member(plant: Plant, name: str) -> JsonObject:
    state = _compute_member_state(plant, plant.committee, name)
    return {"name": name, "healthy": state == "active", "leader": name == plant.committee.leader, "state": state}


def _compute_member_state(plant: Plant, committee: Committee, name: str) -> str:
    if name in plant.restart_queue.components_down():
        return "restarting"
    if name in plant.dead_components():
        return "dead"
    return "active" if name in committee.joined_members(plant.now) else "joining"


def _compute_status(plant: Plant, healthy: int) -> str:
    committee = plant.committee
    if healthy < QUORUM:
        return "critical"
    if plant.restart_queue.is_busy or len(committee.joined_members(plant.now)) < len(committee.member_names):
        return "recovering"
    waits = [plant.state.waits.get(name, 0.0) for name in committee.member_names]
    return "degraded" if healthy < len(committee.member_names) or sum(waits) / len(waits) > 1.0 else "normal"
