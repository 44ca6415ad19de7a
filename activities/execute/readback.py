"""Was it done? Read from Charter's own state after a reply that was lost or could not be read.

The key of the last change decides; a generation that did not move says that nothing was done. A Charter without
keys and generations (all of them 0) is asked by value, and where a value cannot tell, the answer is unknown.
"""

from dataclasses import dataclass
from enum import StrEnum

from activities.model.action import COMMITTEE, Route
from activities.model.charter import Change, ChangeCall, Committee, Policy
from activities.plan.knobs import generation_of


class State(StrEnum):
    """What became of a change: `superseded` means that a newer one by somebody else stands on the knob."""

    DONE = "done"
    NOT_DONE = "not_done"
    SUPERSEDED = "superseded"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Readback:
    """The answer. `generation` is the knob's after the change if it was done, else the present one."""

    state: State
    generation: int
    policy_id: str | None = None


def read_back(call: ChangeCall, knob: str, committee: Committee, policies: tuple[Policy, ...]) -> Readback:
    """Return whether the change described by `call` on `knob` was done.

    Committee and policies must have been read after the call was sent, the policies with those no longer active.
    """
    versions = tuple(policy for policy in policies if policy.name == knob)
    present = generation_of(knob, committee, policies)
    changes = (committee.last_change, committee.last_restart) if knob == COMMITTEE else ()
    mine = _with_key(call.key, (*changes, *(policy.last_change for policy in versions)))
    if mine is not None:
        return Readback(State.DONE, mine.generation, _policy_id(call, versions))
    if present == 0 and call.generation == 0:
        return _by_value(call, committee, versions)
    if present > call.generation:
        return Readback(State.SUPERSEDED, present)
    return Readback(State.NOT_DONE if present == call.generation else State.UNKNOWN, present)


def _with_key(key: str, changes: tuple[Change | None, ...]) -> Change | None:
    return next((change for change in changes if change is not None and change.key == key), None)


def _policy_id(call: ChangeCall, versions: tuple[Policy, ...]) -> str | None:
    if call.path != Route.APPLY:
        return None
    # Every version shows the last change of its knob, so the key alone does not tell them apart.
    newest = max(versions, key=lambda policy: policy.version, default=None)
    return None if newest is None else newest.id


def _by_value(call: ChangeCall, committee: Committee, versions: tuple[Policy, ...]) -> Readback:
    body = call.body or {}
    if call.path == Route.SCALE:
        return Readback(State.DONE if committee.replicas == body["replicas"] else State.NOT_DONE, 0)
    if call.path == Route.APPLY:
        wanted = body["policy"]["parameters"]
        same = next((p for p in versions if p.status == "active" and p.parameters == wanted), None)
        return Readback(State.NOT_DONE, 0) if same is None else Readback(State.DONE, 0, same.id)
    rolled_back = any(p.status == "rolled_back" and call.path == f"policies/{p.id}/rollback" for p in versions)
    return Readback(State.DONE if rolled_back else State.UNKNOWN, 0)
