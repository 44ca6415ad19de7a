"""The messages of a remediation: small, because they are written into every history."""

from activities.model.base import Noun
from activities.model.outcome import Consequence, Verdict
from activities.model.plan import Risk


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


class PrepareRequest(Noun):
    """`approved`: a person approved it, so the need of approval is met."""

    plan_id: str
    approved: bool = False


class Prepared(Noun):
    """What `prepare` found. `ending` is empty if the plan may be applied, else stale, recovered, rejected or failed.

    `steps` are the actions' one-line texts in order. `generation` fences the first step. `deadline` is how many
    seconds an approval may take.
    """

    headline: str
    plan_id: str = ""
    hash: str = ""
    knob: str = ""
    ending: str = ""
    needs_approval: bool = False
    deadline: float = 86400.0
    risk: Risk = Risk.LOW
    generation: int = 0
    steps: tuple[str, ...] = ()
    best_effort: bool = False
    applied_steps: tuple[int, ...] = ()


class ApplyRequest(Noun):
    """One step (from 0), fenced by the knob's generation."""

    plan_id: str
    step: int
    generation: int


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
    """The verdict with its consequence. `before`, `during_worst` and `after` count violated pairs."""

    headline: str
    verdict: Verdict
    consequence: Consequence
    before: int = 0
    after: int = 0
    samples: int = 0


class UndoRequest(Noun):
    """Undo one step, if it was applied at all."""

    plan_id: str
    step: int


class Undone(Noun):
    """`changed` is False when there was nothing to undo (never applied, no inverse, already rolled back)."""

    headline: str
    changed: bool = True
    possible: bool = True
    generation: int | None = None


class RecordRequest(Noun):
    """How the remediation ended, to be recorded exactly once per plan."""

    plan_id: str
    ending: str
    headline: str = ""
    verdict: Verdict | None = None
    before: int = 0
    after: int = 0
    seconds: float | None = None
    undo_failed: bool = False


class Recorded(Noun):
    """The ending as it stands in the store, and how many seconds the knob cools down."""

    headline: str
    ending: str
    cool_down: float = 0.0
    quarantined: bool = False


class Approval(Noun):
    """Argument of update `decide`."""

    plan: str
    approve: bool
    who: str
    why: str = ""
