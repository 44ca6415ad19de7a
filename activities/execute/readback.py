"""Was it done? Read from Charter's own state after a reply that was lost or could not be read.

The key of the last change decides; a generation that did not move says that nothing was done. A Charter without
keys and generations (all of them 0) is asked by value, and where a value cannot tell, the answer is unknown.
"""

from dataclasses import dataclass
from enum import StrEnum

from activities.model.action import COMMITTEE, Route
from activities.model.charter import Change, ChangeRequest, Committee, Policy
from activities.plan.knobs import knob_generation


class ChangeState(StrEnum):
    """What became of a change: `superseded` means that a newer one by somebody else stands on the knob."""

    DONE = "done"
    NOT_DONE = "not_done"
    SUPERSEDED = "superseded"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Readback:
    """The answer. `generation` is the knob's after the change if it was done, else the present one."""

    state: ChangeState
    generation: int
    policy_id: str | None = None


def read_back(change_request: ChangeRequest, knob: str, committee: Committee, policies: tuple[Policy, ...]) -> Readback:
    """Return whether the change described by `call` on `knob` was done.

    Committee and policies must have been read after the call was sent, the policies with those no longer active.
    """
    versions = tuple(policy for policy in policies if policy.name == knob)
    present = knob_generation(knob, committee, policies)
    changes = (committee.last_change, committee.last_restart) if knob == COMMITTEE else ()
    mine = _find_by_key(change_request.key, (*changes, *(policy.last_change for policy in versions)))
    if mine is not None:
        return Readback(ChangeState.DONE, mine.generation, _find_policy_id(change_request, versions))
    if present == 0 and change_request.generation == 0:
        return _read_back_by_value(change_request, committee, versions)
    if present > change_request.generation:
        return Readback(ChangeState.SUPERSEDED, present)
    return Readback(ChangeState.NOT_DONE if present == change_request.generation else ChangeState.UNKNOWN, present)


def _find_by_key(key: str, changes: tuple[Change | None, ...]) -> Change | None:
    return next((change for change in changes if change is not None and change.key == key), None)


def _find_policy_id(change_request: ChangeRequest, versions: tuple[Policy, ...]) -> str | None:
    if change_request.path != Route.APPLY:
        return None
    # Every version shows the last change of its knob, so the key alone does not tell them apart.
    newest = max(versions, key=lambda policy: policy.version, default=None)
    return None if newest is None else newest.id


def _read_back_by_value(change_request: ChangeRequest, committee: Committee, versions: tuple[Policy, ...]) -> Readback:
    body = change_request.body or {}
    if change_request.path == Route.SCALE:
        return Readback(ChangeState.DONE if committee.replicas == body["replicas"] else ChangeState.NOT_DONE, 0)
    if change_request.path == Route.APPLY:
        wanted = body["policy"]["parameters"]
        same = next((p for p in versions if p.status == "active" and p.parameters == wanted), None)
        return Readback(ChangeState.NOT_DONE, 0) if same is None else Readback(ChangeState.DONE, 0, same.id)
    rolled_back = any(
        p.status == "rolled_back" and change_request.path == f"policies/{p.id}/rollback" for p in versions
    )
    return Readback(ChangeState.DONE if rolled_back else ChangeState.UNKNOWN, 0)
