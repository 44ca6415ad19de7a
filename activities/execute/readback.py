"""Read back from Charter's own state whether a change was done, after a lost or unreadable reply.

The key of the last change decides. A generation that did not move means that nothing was done. A Charter without
keys and generations (all 0) is compared by value; if the value does not show the change, the result is unknown.
"""

from dataclasses import dataclass
from enum import StrEnum

from activities.model.action import COMMITTEE, Route
from activities.model.charter import Change, ChangeRequest, Committee, Policy
from activities.plan.knobs import knob_generation


class ChangeState(StrEnum):
    """The state of a change at Charter."""

    DONE = "done"
    NOT_DONE = "not_done"
    SUPERSEDED = "superseded"
    """Another writer changed the knob later."""
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Readback:
    """The result. `generation` is the knob's after the change if it was done, else the present one."""

    state: ChangeState
    generation: int
    policy_id: str | None = None


def read_back(change_request: ChangeRequest, knob: str, committee: Committee, policies: tuple[Policy, ...]) -> Readback:
    """Return whether the change was done on `knob`.

    Committee and policies (inactive ones too) must have been read after the request was sent.
    """
    versions = tuple(policy for policy in policies if policy.name == knob)
    generation = knob_generation(knob, committee, policies)
    changes = (committee.last_change, committee.last_restart) if knob == COMMITTEE else ()
    change = _find_by_key(change_request.key, (*changes, *(policy.last_change for policy in versions)))
    if change is not None:
        return Readback(ChangeState.DONE, change.generation, _find_policy_id(change_request, versions))
    if generation == 0 and change_request.generation == 0:
        return _read_back_by_value(change_request, committee, versions)
    if generation > change_request.generation:
        return Readback(ChangeState.SUPERSEDED, generation)
    state = ChangeState.NOT_DONE if generation == change_request.generation else ChangeState.UNKNOWN
    return Readback(state, generation)


def _find_by_key(key: str, changes: tuple[Change | None, ...]) -> Change | None:
    return next((change for change in changes if change is not None and change.key == key), None)


def _find_policy_id(change_request: ChangeRequest, versions: tuple[Policy, ...]) -> str | None:
    if change_request.path != Route.APPLY:
        return None
    # Every version shows the last change of its knob, so the key alone does not distinguish them.
    newest = max(versions, key=lambda policy: policy.version, default=None)
    return None if newest is None else newest.id


def _read_back_by_value(change_request: ChangeRequest, committee: Committee, versions: tuple[Policy, ...]) -> Readback:
    body = change_request.body or {}
    if change_request.path == Route.SCALE:
        return Readback(ChangeState.DONE if committee.replicas == body["replicas"] else ChangeState.NOT_DONE, 0)
    if change_request.path == Route.APPLY:
        parameters = body["policy"]["parameters"]
        policy = next((p for p in versions if p.status == "active" and p.parameters == parameters), None)
        return Readback(ChangeState.NOT_DONE, 0) if policy is None else Readback(ChangeState.DONE, 0, policy.id)
    rolled_back = any(
        p.status == "rolled_back" and change_request.path == f"policies/{p.id}/rollback" for p in versions
    )
    return Readback(ChangeState.DONE if rolled_back else ChangeState.UNKNOWN, 0)
