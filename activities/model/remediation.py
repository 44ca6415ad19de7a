"""The requests and results of a remediation: small, because every history contains them."""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.outcome import Consequence, Verdict
from activities.model.types import FrozenModel, MigratedModel


class RemediationRequest(MigratedModel):
    """Input of `MapekRemediation`: only the plan id; everything else is read and checked again.

    `roll_back_leftover`: a terminated predecessor may have left the plan half applied. Nothing is applied; the applied
    steps are rolled back.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"settle_leftover": "roll_back_leftover"}

    loop: str
    plan_id: str
    settle: float = 0.0
    roll_back_leftover: bool = False


class RemediationResult(FrozenModel):
    """Result of `MapekRemediation`. `outcome` is a `RemediationOutcome`."""

    headline: str
    outcome: str
    plan: str = ""
    applied: tuple[str, ...] = ()
    rolled_back: tuple[str, ...] = ()
    quarantined: bool = False


class Approval(MigratedModel):
    """Argument of update `decide`."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"who": "actor", "why": "reason"}

    plan: str
    approve: bool
    actor: str
    reason: str = ""


class PrepareRequest(MigratedModel):
    """Request of the check before the apply.

    `answer` is the operator's approval, so no further one is needed. `leftover`: find the steps that are still applied.
    `requested_at` is the time of the request by the server's clock (unix seconds).
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"asked": "requested_at"}

    plan_id: str
    answer: Approval | None = None
    leftover: bool = False
    requested_at: float = 0.0


class Step(MigratedModel):
    """One action of the plan, in words.

    `is_applied`: it was sent to Charter, and no remediation is responsible for it.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"text": "summary", "standing": "is_applied"}

    summary: str
    is_applied: bool = False


class PrepareResult(MigratedModel):
    """Result of the check. `outcome` is empty if the plan may be applied, else stale, recovered, rejected or failed.

    `generation` fences the first step. `deadline` is the time for an approval in seconds. `timeout` (seconds) and
    `retries` limit each apply. `verification_duration` is the time in which a verification takes samples, in seconds.
    `transactional`: a failed step undoes the steps before it. `requested_by` is the operator who requested the plan;
    another operator must approve it. `risky`: an unverified change is rolled back; otherwise it is kept. `blocked_by`
    is the rule of the guard that refuses the plan, empty if none does. `loop` is the plan's loop.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"ending": "outcome", "span": "verification_duration"}

    headline: str
    outcome: str = ""
    needs_approval: bool = False
    deadline: float = 86400.0
    generation: int = 0
    steps: tuple[Step, ...] = ()
    timeout: float = 30.0
    retries: int = 3
    verification_duration: float = 105.0
    transactional: bool = True
    requested_by: str = ""
    risky: bool = True
    blocked_by: str = ""
    loop: str = ""


class ApplyRequest(MigratedModel):
    """One step (from 0), fenced by the generation of the knob. `requested_at` as in `PrepareRequest`."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"asked": "requested_at"}

    plan_id: str
    step: int
    generation: int
    requested_at: float = 0.0


class ApplyResult(FrozenModel):
    """The step is applied at Charter. `generation` fences the next step; `at` is unix seconds."""

    headline: str
    generation: int
    at: float
    policy_id: str | None = None


class VerifyRequest(FrozenModel):
    """Verify the plan's effect, or (`rollback`) that the previous state is back. `since` is unix seconds."""

    plan_id: str
    since: float
    rollback: bool = False


class VerifyResult(FrozenModel):
    """The verdict and its consequence. `before` and `after` count violated pairs, `samples` the usable ones."""

    headline: str
    verdict: Verdict
    consequence: Consequence
    before: int = 0
    after: int = 0
    samples: int = 0

    @classmethod
    def not_performed(cls, headline: str, *, risky: bool = True) -> "VerifyResult":
        """Return the result of a verification that failed: inconclusive, rolled back if risky, else kept."""
        consequence = Consequence.ROLL_BACK if risky else Consequence.KEEP
        return cls(headline=headline, verdict=Verdict.INCONCLUSIVE, consequence=consequence)

    @classmethod
    def already_concluded(cls, headline: str) -> "VerifyResult":
        """Return the result for a plan that has an outcome: it is not verified again, and the first outcome holds."""
        return cls(headline=headline, verdict=Verdict.INCONCLUSIVE, consequence=Consequence.KEEP)


class UndoRequest(MigratedModel):
    """Undo one step, if it was applied. `requested_at` as in `PrepareRequest`."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"asked": "requested_at"}

    plan_id: str
    step: int
    requested_at: float = 0.0


class UndoResult(MigratedModel):
    """Result of an undo. `changed` is False if nothing was to be undone: never applied, or already rolled back.

    `failed` says why the step cannot be undone (a newer change by another writer is in force on the knob), empty if it
    was. `not_applied`: the step is not applied at Charter, but a delayed attempt may still apply it.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"absent": "not_applied"}

    headline: str
    changed: bool = True
    failed: str = ""
    not_applied: bool = False
    loop: str = ""


class RecordRequest(MigratedModel):
    """The end of a remediation, to be recorded exactly once per plan.

    `outcome` is a `RemediationOutcome`. `seconds` is the time from apply to verdict, None if nothing was applied.
    `answer` is the operator's decision. `undo_failed` says what could not be undone, empty if nothing; otherwise the
    knob is quarantined. `ended_at` is by the server's clock. `problem_persisted`: the problem was still there at the
    check before the apply. `unapplied_steps` were never applied, or not applied any more when they were to be undone; a
    delayed attempt may still apply them.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {
        "ending": "outcome",
        "ended": "ended_at",
        "outlasted": "problem_persisted",
        "absent": "unapplied_steps",
    }

    plan_id: str
    outcome: str
    headline: str = ""
    verdict: Verdict | None = None
    before: int = 0
    after: int = 0
    seconds: float | None = None
    undo_failed: str = ""
    answer: Approval | None = None
    ended_at: float = 0.0
    problem_persisted: bool = False
    unapplied_steps: tuple[int, ...] = ()


class RecordResult(MigratedModel):
    """The outcome as stored, and the cool-down of the knob in seconds."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"ending": "outcome"}

    headline: str
    outcome: str
    cool_down: float = 0.0
    quarantined: bool = False
    loop: str = ""


class YieldRequest(MigratedModel):
    """Argument of signal `yield`: plan `plan` yields if it still waits for approval.

    `outcome` is recovered (its violations are gone) or superseded (a plan of lower risk needs the knob, or a late
    change on it must be undone).
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"ending": "outcome", "why": "reason"}

    plan: str
    outcome: str
    reason: str = ""


class ResumeRequest(MigratedModel):
    """Argument of signal `resume`: the operator who releases a quarantined knob, and the reason."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"who": "actor", "why": "reason"}

    actor: str = ""
    reason: str = ""


class ReleaseRequest(MigratedModel):
    """An operator released the quarantined knob of this plan."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"who": "actor", "why": "reason"}

    plan_id: str
    actor: str = ""
    reason: str = ""
