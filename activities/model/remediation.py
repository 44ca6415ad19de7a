"""The messages of a remediation: small, because they are written into every history."""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.outcome import Consequence, Verdict
from activities.model.types import FrozenModel, MigratedModel


class RemediationRequest(MigratedModel):
    """Input of `Remediation`: nothing but which plan; everything else is read and checked again.

    `settle_leftover`: a terminated predecessor may have left this plan half applied; nothing new is applied, what
    stands is rolled back.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"settle_leftover": "roll_back_leftover"}

    loop: str
    plan_id: str
    settle: float = 0.0
    roll_back_leftover: bool = False


class RemediationResult(FrozenModel):
    """Result of `Remediation`. `outcome` as in `MapekOutcome`."""

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
    """`answer`: the person's yes, so the need of approval is met. `leftover`: look what was left half done.

    `asked` is when the workflow asked, by the server's clock (unix seconds).
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"asked": "requested_at"}

    plan_id: str
    answer: Approval | None = None
    leftover: bool = False
    requested_at: float = 0.0


class Step(MigratedModel):
    """One action of the plan as a person reads it. `standing`: it was sent to Charter, and nobody answers for it."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"text": "summary", "standing": "is_applied"}

    summary: str
    is_applied: bool = False


class PrepareResult(MigratedModel):
    """What `prepare` found. `ending` is empty if the plan may be applied, else stale, recovered, rejected or failed.

    `generation` fences the first step. `deadline` is how many seconds an approval may take. `timeout` (seconds) and
    `retries` bound each apply, `span` is how many seconds one verification takes samples. `transactional`: a failed
    step undoes those before it. `requested_by` is the person who asked for the plan: somebody else has to approve it.
    `risky`: what cannot be verified is rolled back; False where it is safe to keep. `blocked_by` is the rule of the
    guard that refuses it, empty if none does; `loop` is whose plan it is.
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
    """One step (from 0), fenced by the knob's generation. `asked` as in `PrepareRequest`."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"asked": "requested_at"}

    plan_id: str
    step: int
    generation: int
    requested_at: float = 0.0


class ApplyResult(FrozenModel):
    """The step is done at Charter. `generation` fences the next one; `at` is unix seconds."""

    headline: str
    generation: int
    at: float
    policy_id: str | None = None


class VerifyRequest(FrozenModel):
    """Verify the plan's effect, or (`rollback`) that the state before is back. `since` is unix seconds."""

    plan_id: str
    since: float
    rollback: bool = False


class VerifyResult(FrozenModel):
    """The verdict with its consequence. `before` and `after` count violated pairs, `samples` the usable ones."""

    headline: str
    verdict: Verdict
    consequence: Consequence
    before: int = 0
    after: int = 0
    samples: int = 0

    @classmethod
    def not_performed(cls, headline: str, *, risky: bool = True) -> "VerifyResult":
        """Return the verdict of a verification that could not be made: inconclusive, undone if risky and else kept."""
        consequence = Consequence.ROLL_BACK if risky else Consequence.KEEP
        return cls(headline=headline, verdict=Verdict.INCONCLUSIVE, consequence=consequence)

    @classmethod
    def already_concluded(cls, headline: str) -> "VerifyResult":
        """Return the verdict on what has an outcome already, and so is not judged again; the first one stands."""
        return cls(headline=headline, verdict=Verdict.INCONCLUSIVE, consequence=Consequence.KEEP)


class UndoRequest(MigratedModel):
    """Undo one step, if it was applied at all. `asked` as in `PrepareRequest`."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"asked": "requested_at"}

    plan_id: str
    step: int
    requested_at: float = 0.0


class UndoResult(MigratedModel):
    """`changed` is False when there was nothing to undo: never applied, or already rolled back.

    `failed` says why it cannot be undone any more (a newer change by somebody else stands on the knob), empty if it is.
    `absent`: it does not stand at Charter. An attempt that is held up on its way may yet make it.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"absent": "not_applied"}

    headline: str
    changed: bool = True
    failed: str = ""
    not_applied: bool = False
    loop: str = ""


class RecordRequest(MigratedModel):
    """How the remediation ended, to be recorded exactly once per plan.

    `seconds` from apply to verdict, None if nothing was applied. `answer` is what a person decided. `undo_failed` says
    what could not be undone, empty if nothing; then the knob is quarantined. `ended` is when, by the server's clock.
    `outlasted`: its trouble was still there when it was first looked at again. `absent` are the steps it does not
    answer for: never applied, or not standing when they were to be undone. An attempt held up may yet do them.
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
    """The ending as it stands in the store, and how many seconds the knob cools down."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"ending": "outcome"}

    headline: str
    outcome: str
    cool_down: float = 0.0
    quarantined: bool = False
    loop: str = ""


class YieldRequest(MigratedModel):
    """Argument of signal `yield`: plan `plan` shall give way if it still waits for its approval.

    `ending` is recovered (its violations are gone) or superseded (a plan of lower risk wants the knob, or what was done
    late has to be taken back on it).
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"ending": "outcome", "why": "reason"}

    plan: str
    outcome: str
    reason: str = ""


class ResumeRequest(MigratedModel):
    """Argument of signal `resume`: who releases a quarantined knob, and why."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"who": "actor", "why": "reason"}

    actor: str = ""
    reason: str = ""


class ReleaseRequest(MigratedModel):
    """A person released the quarantined knob of this plan."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"who": "actor", "why": "reason"}

    plan_id: str
    actor: str = ""
    reason: str = ""
