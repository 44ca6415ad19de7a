"""The messages of a remediation: small, because they are written into every history."""

from activities.model.outcome import Consequence, Verdict
from activities.model.types import Noun


class RemediationRequest(Noun):
    """Input of `Remediation`: nothing but which plan; everything else is read and checked again.

    `settle_leftover`: a terminated predecessor may have left this plan half applied; nothing new is applied, what
    stands is rolled back.
    """

    loop: str
    plan_id: str
    settle: float = 0.0
    settle_leftover: bool = False


class RemediationResult(Noun):
    """Result of `Remediation`. `outcome` as in `MapekOutcome`."""

    headline: str
    outcome: str
    plan: str = ""
    applied: tuple[str, ...] = ()
    rolled_back: tuple[str, ...] = ()
    quarantined: bool = False


class Approval(Noun):
    """Argument of update `decide`."""

    plan: str
    approve: bool
    who: str
    why: str = ""


class PrepareRequest(Noun):
    """`answer`: the person's yes, so the need of approval is met. `leftover`: look what was left half done.

    `asked` is when the workflow asked, by the server's clock (unix seconds).
    """

    plan_id: str
    answer: Approval | None = None
    leftover: bool = False
    asked: float = 0.0


class Step(Noun):
    """One action of the plan as a person reads it. `standing`: it was sent to Charter, and nobody answers for it."""

    text: str
    standing: bool = False


class Prepared(Noun):
    """What `prepare` found. `ending` is empty if the plan may be applied, else stale, recovered, rejected or failed.

    `generation` fences the first step. `deadline` is how many seconds an approval may take. `timeout` (seconds) and
    `retries` bound each apply, `span` is how many seconds one verification takes samples. `transactional`: a failed
    step undoes those before it. `requested_by` is the person who asked for the plan: somebody else has to approve it.
    `risky`: what cannot be verified is rolled back; False where it is safe to keep. `blocked_by` is the rule of the
    guard that refuses it, empty if none does; `loop` is whose plan it is.
    """

    headline: str
    ending: str = ""
    needs_approval: bool = False
    deadline: float = 86400.0
    generation: int = 0
    steps: tuple[Step, ...] = ()
    timeout: float = 30.0
    retries: int = 3
    span: float = 105.0
    transactional: bool = True
    requested_by: str = ""
    risky: bool = True
    blocked_by: str = ""
    loop: str = ""


class ApplyRequest(Noun):
    """One step (from 0), fenced by the knob's generation. `asked` as in `PrepareRequest`."""

    plan_id: str
    step: int
    generation: int
    asked: float = 0.0


class Applied(Noun):
    """The step is done at Charter. `generation` fences the next one; `at` is unix seconds."""

    headline: str
    generation: int
    at: float
    policy_id: str | None = None


class VerifyRequest(Noun):
    """Verify the plan's effect, or (`rollback`) that the state before is back. `since` is unix seconds."""

    plan_id: str
    since: float
    rollback: bool = False


class Verified(Noun):
    """The verdict with its consequence. `before` and `after` count violated pairs, `samples` the usable ones."""

    headline: str
    verdict: Verdict
    consequence: Consequence
    before: int = 0
    after: int = 0
    samples: int = 0

    @classmethod
    def unmade(cls, headline: str, *, risky: bool = True) -> "Verified":
        """Return the verdict of a verification that could not be made: inconclusive, undone if risky and else kept."""
        consequence = Consequence.ROLL_BACK if risky else Consequence.KEEP
        return cls(headline=headline, verdict=Verdict.INCONCLUSIVE, consequence=consequence)

    @classmethod
    def answered(cls, headline: str) -> "Verified":
        """Return the verdict on what has an outcome already, and so is not judged again; the first one stands."""
        return cls(headline=headline, verdict=Verdict.INCONCLUSIVE, consequence=Consequence.KEEP)


class UndoRequest(Noun):
    """Undo one step, if it was applied at all. `asked` as in `PrepareRequest`."""

    plan_id: str
    step: int
    asked: float = 0.0


class Undone(Noun):
    """`changed` is False when there was nothing to undo: never applied, or already rolled back.

    `failed` says why it cannot be undone any more (a newer change by somebody else stands on the knob), empty if it is.
    `absent`: it does not stand at Charter. An attempt that is held up on its way may yet make it.
    """

    headline: str
    changed: bool = True
    failed: str = ""
    absent: bool = False
    loop: str = ""


class RecordRequest(Noun):
    """How the remediation ended, to be recorded exactly once per plan.

    `seconds` from apply to verdict, None if nothing was applied. `answer` is what a person decided. `undo_failed` says
    what could not be undone, empty if nothing; then the knob is quarantined. `ended` is when, by the server's clock.
    `outlasted`: its trouble was still there when it was first looked at again. `absent` are the steps it does not
    answer for: never applied, or not standing when they were to be undone. An attempt held up may yet do them.
    """

    plan_id: str
    ending: str
    headline: str = ""
    verdict: Verdict | None = None
    before: int = 0
    after: int = 0
    seconds: float | None = None
    undo_failed: str = ""
    answer: Approval | None = None
    ended: float = 0.0
    outlasted: bool = False
    absent: tuple[int, ...] = ()


class Recorded(Noun):
    """The ending as it stands in the store, and how many seconds the knob cools down."""

    headline: str
    ending: str
    cool_down: float = 0.0
    quarantined: bool = False
    loop: str = ""


class Yield(Noun):
    """Argument of signal `yield`: plan `plan` shall give way if it still waits for its approval.

    `ending` is recovered (its violations are gone) or superseded (a plan of lower risk wants the knob, or what was done
    late has to be taken back on it).
    """

    plan: str
    ending: str
    why: str = ""


class Resume(Noun):
    """Argument of signal `resume`: who releases a quarantined knob, and why."""

    who: str = ""
    why: str = ""


class ReleaseRequest(Noun):
    """A person released the quarantined knob of this plan."""

    plan_id: str
    who: str = ""
    why: str = ""
