"""The values of the simulator: policies, changes, ledger entries. Times are unix seconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class ActionKind(StrEnum):
    """The action types: those of `COMMITTEE_ACTION_KINDS` have committee routes, the others are applied as policies."""

    SCALE_UP = "SCALE_UP"
    SCALE_DOWN = "SCALE_DOWN"
    RESTART_SERVICE = "RESTART_SERVICE"
    APPLY_POLICY = "APPLY_POLICY"
    BYPASS_VALIDATION = "BYPASS_VALIDATION"
    THROTTLE_REQUESTS = "THROTTLE_REQUESTS"
    ACTIVATE_EMERGENCY_OVERRIDE = "ACTIVATE_EMERGENCY_OVERRIDE"
    REBALANCE_LOAD = "REBALANCE_LOAD"
    UPDATE_CONFIGURATION = "UPDATE_CONFIGURATION"


COMMITTEE_ACTION_KINDS: Final = frozenset({ActionKind.SCALE_UP, ActionKind.SCALE_DOWN, ActionKind.RESTART_SERVICE})
"""Kinds with a route under /api/v1/committee; they validate, but cannot be applied as a policy."""


@dataclass(frozen=True)
class ChangeOrigin:
    """The origin of a change: idempotency key and plan hash, both None for an external change."""

    key: str | None = None
    plan_hash: str | None = None


EXTERNAL_ORIGIN: Final = ChangeOrigin()
"""The origin of a change that did not come through the API."""


@dataclass(frozen=True)
class KnobChange:
    """The last change of a knob with the resulting generation."""

    key: str | None
    plan: str | None
    generation: int
    at: float


@dataclass(frozen=True)
class Restart:
    """The last restart of the committee; `member` is None for a rolling restart of all members."""

    change: KnobChange
    member: str | None


@dataclass(frozen=True)
class PolicySpec:
    """A policy of a client; `name` is its knob, `component` None means the whole system."""

    name: str
    kind: ActionKind
    component: str | None
    parameters: Mapping[str, Any]


class EffectDirection(StrEnum):
    """Direction of a ledger entry."""

    APPLIED = "applied"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True)
class LedgerEntry:
    """One effect of a change. For an undo `kind` is the undone action."""

    at: float
    effect: EffectDirection
    kind: ActionKind
    knob: str
    policy_id: str | None
    key: str | None
    generation_before: int
    generation_after: int
