"""Charter's replies and the requests that change it."""

from typing import Any

from pydantic import Field

from activities.model.types import FrozenModel


class Change(FrozenModel):
    """The last change of a knob: idempotency key and plan (None from another writer), resulting generation, time."""

    key: str | None = None
    plan: str | None = None
    generation: int = 0
    at: str = ""


class Member(FrozenModel):
    """One member of the committee."""

    name: str
    healthy: bool = True
    leader: bool = False


class Committee(FrozenModel):
    """The state of the committee. `replicas` is the configured number; a plain Charter may list no `members`."""

    status: str = "normal"
    replicas: int
    healthy_nodes: int
    generation: int = 0
    last_change: Change | None = None
    last_restart: Change | None = None
    members: tuple[Member, ...] = ()


def required_healthy_members(replicas: int) -> int:
    """Return the number of healthy members that a change must leave: the quorum of `replicas`, n // 2 + 1, plus 1.

    Examples: 3 of 3, 4 of 5, 5 of 7. The extra member lets one more fail without the loss of the majority.
    """
    return replicas // 2 + 2


class Policy(FrozenModel):
    """One policy version at Charter; `name` is its knob."""

    id: str
    name: str
    kind: str = ""
    component: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    status: str = "active"
    version: int = 1
    generation: int = 0
    last_change: Change | None = None


class CharterFinding(FrozenModel):
    """A violation that Charter reports. Times are unix seconds, `closed_at` None while open."""

    id: str
    component: str
    metric: str
    severity: str = "warning"
    value: float | None = None
    limit: float | None = None
    opened_at: float
    closed_at: float | None = None
    description: str = ""


class ChangeResult(FrozenModel):
    """Charter's reply to a change. `previous` is the value before it; `replayed` marks a stored reply.

    `changed` is False for the rollback of a policy that was rolled back before.
    """

    knob: str
    generation: int
    policy_id: str | None = None
    previous: dict[str, Any] | None = None
    replayed: bool = False
    changed: bool = True


class ChangeRequest(FrozenModel):
    """One call that changes Charter; equal calls are sent as equal bytes.

    `path` is below `/api/v1/` and not escaped: `committee/scale`, `policies/<id>/rollback`. `body` None sends no body.
    `key` is the idempotency key `<plan id>-<step>-<do|undo>`. `generation` fences the change: the knob must still have
    it. `timeout` is in seconds, for the whole call.
    """

    path: str
    body: dict[str, Any] | None = None
    key: str
    plan_hash: str
    generation: int
    timeout: float = 30.0
