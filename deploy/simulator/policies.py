"""Charter's policies: unique ids, versions, and one generation per name."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from deploy.simulator.records import ChangeOrigin, KnobChange, PolicySpec

MAX_HISTORY_SHOWN: Final = 200
"""Maximum of inactive applications in a complete list."""


class PolicyStatus(StrEnum):
    """The status values of the contract.

    This simulator approves immediately: it never sets PENDING, APPROVED and FAILED.
    """

    PENDING = "pending"
    APPROVED = "approved"
    ACTIVE = "active"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    ROLLED_BACK = "rolled_back"


class NotNewestError(Exception):
    """The application is not the active one on its knob; an undo would destroy a later change."""


@dataclass
class PolicyApplication:
    """One application of a policy; an undo restores `previous`."""

    policy_id: str
    spec: PolicySpec
    version: int
    applied_at: float
    previous: "PolicyApplication | None"
    status: PolicyStatus = PolicyStatus.ACTIVE


@dataclass
class PolicyKnob:
    """All applications of one policy name; generation 0 means that there was none."""

    generation: int = 0
    last_change: KnobChange | None = None
    active: PolicyApplication | None = None
    applications: list[PolicyApplication] = field(default_factory=list)

    def record_change(self, origin: ChangeOrigin, at: float) -> None:
        """Record one change of this knob and increment the generation."""
        self.generation += 1
        self.last_change = KnobChange(origin.key, origin.plan_hash, self.generation, at)


class PolicyRegistry:
    """All applied policies. Times are unix seconds."""

    def __init__(self) -> None:
        self._knobs: dict[str, PolicyKnob] = {}
        self._by_id: dict[str, PolicyApplication] = {}

    def knob(self, name: str) -> PolicyKnob:
        """Return the knob of a name; an unknown name gives an empty knob that is not stored."""
        return self._knobs.get(name) or PolicyKnob()

    def find(self, policy_id: str) -> PolicyApplication | None:
        """Return the application with this id, or None."""
        return self._by_id.get(policy_id)

    def list_active(self) -> list[PolicyApplication]:
        """Return the active application of every name that has one, oldest first."""
        applications = [knob.active for knob in self._knobs.values() if knob.active is not None]
        return sorted(applications, key=lambda application: _policy_number(application.policy_id))

    def apply(self, spec: PolicySpec, origin: ChangeOrigin, at: float) -> PolicyApplication:
        """Apply a new version of `spec.name` with a new id."""
        knob = self._knobs.setdefault(spec.name, PolicyKnob())
        number = len(self._by_id) + 1
        application = PolicyApplication(f"policy_{number}", spec, len(knob.applications) + 1, at, knob.active)
        if knob.active is not None:
            knob.active.status = PolicyStatus.SUPERSEDED
        knob.active = application
        knob.applications.append(application)
        self._by_id[application.policy_id] = application
        knob.record_change(origin, at)
        return application

    def undo(self, application: PolicyApplication, origin: ChangeOrigin, at: float) -> bool:
        """Restore the policy before `application`; return False if it was undone before.

        Raises:
            NotNewestError: another application is active on the knob.
        """
        if application.status is PolicyStatus.ROLLED_BACK:
            return False
        knob = self._knobs[application.spec.name]
        if knob.active is not application:
            raise NotNewestError
        application.status = PolicyStatus.ROLLED_BACK
        knob.active = application.previous
        if knob.active is not None:
            knob.active.status = PolicyStatus.ACTIVE
        knob.record_change(origin, at)
        return True

    def list_history(self) -> list[PolicyApplication]:
        """Return the active applications, the last of every name, and at most `MAX_HISTORY_SHOWN` others."""
        selected = {knob.applications[-1].policy_id for knob in self._knobs.values()}
        selected |= {application.policy_id for application in self.list_active()}
        others = [policy_id for policy_id in self._by_id if policy_id not in selected]
        selected |= set(others[-MAX_HISTORY_SHOWN:])
        return [application for policy_id, application in self._by_id.items() if policy_id in selected]


def _policy_number(policy_id: str) -> int:
    return int(policy_id.rpartition("_")[2])
