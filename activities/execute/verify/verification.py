"""What a change did: from samples after it to a verdict, and from the verdict to what follows.

Every sample counts the violated pairs that a plan answers for: its targets, and whatever of its neighbours was good
at the decision. Blindness is never good news: a sample in which one of them cannot be seen is not used at all, unless
the target is known to be violated.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from activities.model.action import Inverse
from activities.model.outcome import Consequence, Verdict
from activities.model.plan import Plan, Risk, Verification
from activities.model.remediation import VerifyResult
from activities.monitor.visibility import REMOTES

Pair = tuple[str, str]

EXTENSION_FACTOR = 2
"""An open question gets as many samples again, once: a rate over a minute shows a fix only after that minute."""


@dataclass(frozen=True)
class EffectSample:
    """What was seen at one instant (unix seconds): violated (component, metric) pairs, and blind components."""

    at: float
    violated: frozenset[Pair]
    blind: frozenset[str] = frozenset()


@dataclass(frozen=True)
class VerdictDetails:
    """A verdict with its numbers: pairs violated before and after, the worst count in between, usable samples."""

    verdict: Verdict
    before: int
    after: int
    worst: int
    samples: int


def is_usable(sample: EffectSample, verification: Verification) -> bool:
    """Tell whether everything the plan answers for can be seen in the sample."""
    if sample.blind.intersection(REMOTES + verification.neighbours):
        return False
    return all(pair in sample.violated or pair[0] not in sample.blind for pair in verification.targets)


def count_harm(sample: EffectSample, verification: Verification) -> int:
    """Count the violated targets and the neighbours' pairs that are violated now and were good at the decision."""
    targets, around = frozenset(verification.targets), frozenset(verification.neighbours)
    new = {pair for pair in sample.violated - targets - frozenset(verification.preexisting) if pair[0] in around}
    return len(sample.violated & targets) + len(new)


def change_sent_at(sent_at: float | None, since: float, oldest_sample_at: float) -> float:
    """Return when the change was sent (unix seconds): before the effect, which may stand for long until it is heard of.

    `since` is used where that is not known, is told by a clock that runs ahead, or is before the `oldest` sample.
    """
    return sent_at if sent_at is not None and oldest_sample_at <= sent_at <= since else since


def baseline_instants(verification: Verification, sent_at: float) -> tuple[float, ...]:
    """Return the instants (unix seconds) that tell how it was when the change was about to be sent, at `sent`.

    One is just after it: a rate looks back, so what had happened by then shows an interval later; the effect does not
    show in full before `delay`.
    """
    return (sent_at, sent_at + verification.interval) if verification.interval <= verification.delay else (sent_at,)


def with_measured_baseline(verification: Verification, baseline: Iterable[EffectSample]) -> Verification:
    """Return the verification with `before` as it was when the change was made.

    Between decision and change the trouble may have gone on growing. Judged by the decision's count alone, a remedy
    that helps would be called worse for what was not its doing, and so would a rollback that did its work.
    """
    counts = [count_harm(sample, verification) for sample in baseline]
    return verification.model_copy(update={"baseline_count": max([verification.baseline_count, *counts])})


def with_rollback_tolerance(verification: Verification, rollback_samples: Iterable[EffectSample]) -> Verification:
    """Return the verification of a rollback, with `before` as the most violated pairs it may leave.

    Those before the plan and half of what had come on top by when it was `undone`, rounded down. The trouble may have
    grown by itself meanwhile; but where more of the harm is left, nothing says that the plan's own share is gone.
    """
    before, harmed = (
        verification.baseline_count,
        max((count_harm(sample, verification) for sample in rollback_samples), default=0),
    )
    return verification.model_copy(update={"baseline_count": max(before, (before + harmed) // 2)})


def reach_verdict(verification: Verification, samples: Iterable[EffectSample]) -> VerdictDetails:
    """Return the verdict over the samples taken after the change.

    Looked at are the last `passes` usable samples; `sustained` is the count that at least half of them reach. By the
    first that fits:

    - inconclusive: fewer than `samples` (or `passes`) usable samples; `after` is then `before`
    - worse: sustained > before, also from zero
    - fixed: all of them are zero, and there were targets; a plan without any can at best do no harm
    - improved: at least half of `before` is resolved, where a count that still comes and goes is at least 1
    - no_effect: less than half
    """
    seen = sorted((s for s in samples if is_usable(s, verification)), key=lambda s: s.at)
    counts = [count_harm(sample, verification) for sample in seen]
    before, worst = verification.baseline_count, max(counts, default=0)
    if len(counts) < max(verification.samples, verification.required_passes):
        return VerdictDetails(Verdict.INCONCLUSIVE, before, before, worst, len(counts))
    last = sorted(counts[-verification.required_passes :])
    sustained = last[len(last) // 2]
    if sustained > before:
        return VerdictDetails(Verdict.WORSE, before, sustained, worst, len(counts))
    if last[-1] == 0 and verification.targets:
        return VerdictDetails(Verdict.FIXED, before, 0, worst, len(counts))
    after = min(before, max(1, sustained))
    improved = before > 0 and 2 * (before - after) >= before
    verdict = Verdict.IMPROVED if improved else Verdict.NO_EFFECT
    return VerdictDetails(verdict, before, after, worst, len(counts))


def decide_consequence(verdict: Verdict, plan: Plan, rollback_enabled: bool) -> Consequence:
    """Return what follows from the verdict.

    fixed, improved and no_effect are kept (what did no harm stands while the next rung is tried). worse, and
    inconclusive unless the risk is low, is rolled back as far as its actions have an inverse; if that is switched off
    or none has one, a person is called.
    """
    risky = verdict is Verdict.INCONCLUSIVE and plan.risk is not Risk.LOW
    if verdict is not Verdict.WORSE and not risky:
        return Consequence.KEEP
    undoable = any(action.inverse is not Inverse.NONE for action in plan.actions)
    return Consequence.ROLL_BACK if undoable and rollback_enabled else Consequence.ESCALATE


def verify_effect(plan: Plan, samples: Iterable[EffectSample], rollback_enabled: bool) -> VerifyResult:
    """Return the verdict on the plan's effect, with its consequence and numbers."""
    found = reach_verdict(plan.verification, samples)
    return VerifyResult(
        headline=f"{found.verdict}: {_format_counts(found)} on {plan.knob}",
        verdict=found.verdict,
        consequence=decide_consequence(found.verdict, plan, rollback_enabled),
        before=found.before,
        after=found.after,
        samples=found.samples,
    )


def verify_rollback(plan: Plan, samples: Iterable[EffectSample], tolerance: Verification) -> VerifyResult:
    """Return whether a rollback brought the state before back: no more violated pairs than `rule` tolerates.

    fixed (kept) if it did, worse or inconclusive (escalated) if it did not or cannot be seen.
    """
    found = reach_verdict(tolerance, samples)
    before = plan.verification.baseline_count
    found = replace(found, before=before, after=before if found.verdict is Verdict.INCONCLUSIVE else found.after)
    back = found.verdict not in (Verdict.WORSE, Verdict.INCONCLUSIVE)
    return VerifyResult(
        headline=f"ROLLBACK {'verified' if back else found.verdict.value}: {_format_counts(found)} on {plan.knob}",
        verdict=Verdict.FIXED if back else found.verdict,
        consequence=Consequence.KEEP if back else Consequence.ESCALATE,
        before=found.before,
        after=found.after,
        samples=found.samples,
    )


def verification_duration(verification: Verification) -> float:
    """Return the seconds from the change to the last sample, the extension included."""
    return verification.delay + (EXTENSION_FACTOR * verification.samples - 1) * verification.interval


def sample_instants(verification: Verification, since: float, now: float) -> tuple[float, ...]:
    """Return the instants (unix seconds) of all samples due by `now` after a change at `since`."""
    first, interval = since + verification.delay, verification.interval
    due = math.floor((now - first) / interval) + 1
    return tuple(first + i * interval for i in range(max(0, min(due, EXTENSION_FACTOR * verification.samples))))


def next_sample_at(verification: Verification, since: float, now: float) -> float | None:
    """Return when the next sample is due, strictly after `now`; None when all are."""
    taken = len(sample_instants(verification, since, now))
    if taken == EXTENSION_FACTOR * verification.samples:
        return None
    return since + verification.delay + taken * verification.interval


def is_conclusive(verification: Verification, samples: Iterable[EffectSample], rollback: bool = False) -> bool:
    """Tell whether the question is answered before the extension is over, so that more samples are not waited for.

    After a plan fixed and worse are answers; after its `rollback` everything is that says the state before is back.
    """
    verdict = reach_verdict(verification, samples).verdict
    if rollback:
        return verdict not in (Verdict.WORSE, Verdict.INCONCLUSIVE)
    return verdict in (Verdict.FIXED, Verdict.WORSE)


def _format_counts(details: VerdictDetails) -> str:
    return (
        f"violated pairs {details.before} → {details.after} (worst {details.worst}, {details.samples} usable samples)"
    )
