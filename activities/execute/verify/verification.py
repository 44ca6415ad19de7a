"""The verdict on a change, from samples after it, and the consequence of the verdict.

Every sample counts the violated pairs a plan is responsible for: its targets, and its neighbours' pairs that were good
at the decision. Blind is not healthy: a sample with a blind target or neighbour is not usable, unless the target is
known to be violated.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from activities.model.action import Inverse
from activities.model.outcome import Consequence, Verdict
from activities.model.plan import Plan, Risk, Verification
from activities.model.remediation import VerifyResult
from activities.model.types import MetricKey
from activities.monitor.visibility import REMOTES

EXTENSION_FACTOR = 2
"""Without a conclusive verdict as many samples are taken again: a rate over a minute shows a fix a minute late."""


@dataclass(frozen=True)
class EffectSample:
    """The violated (component, metric) pairs and the blind components at one instant (unix seconds)."""

    at: float
    violated: frozenset[MetricKey]
    blind: frozenset[str] = frozenset()


@dataclass(frozen=True)
class VerdictDetails:
    """A verdict with its numbers: violated pairs before and after, the highest count between, usable samples."""

    verdict: Verdict
    before: int
    after: int
    worst: int
    samples: int


def is_usable(sample: EffectSample, verification: Verification) -> bool:
    """Return whether every target and neighbour is visible in the sample, or known to be violated."""
    if sample.blind.intersection(REMOTES + verification.neighbours):
        return False
    return all(pair in sample.violated or pair[0] not in sample.blind for pair in verification.targets)


def count_harm(sample: EffectSample, verification: Verification) -> int:
    """Count the violated targets, and the neighbours' violated pairs that were good at the decision."""
    targets, neighbours = frozenset(verification.targets), frozenset(verification.neighbours)
    new = {pair for pair in sample.violated - targets - frozenset(verification.preexisting) if pair[0] in neighbours}
    return len(sample.violated & targets) + len(new)


def change_sent_at(sent_at: float | None, since: float, oldest_sample_at: float) -> float:
    """Return when the change was sent (unix seconds).

    A lost reply can delay `since`, when the effect became known, long past the effect. `since` is used if `sent_at` is
    unknown, later than `since` (a clock that runs ahead), or earlier than the oldest sample.
    """
    return sent_at if sent_at is not None and oldest_sample_at <= sent_at <= since else since


def baseline_instants(verification: Verification, sent_at: float) -> tuple[float, ...]:
    """Return the instants (unix seconds) that show the state when the change was sent, at `sent_at`.

    The second one is an interval later, because a rate shows a change that late. It is left out if the effect could
    show by then: an effect shows from `delay` on.
    """
    return (sent_at, sent_at + verification.interval) if verification.interval <= verification.delay else (sent_at,)


def with_measured_baseline(verification: Verification, baseline: Iterable[EffectSample]) -> Verification:
    """Return the verification with `baseline_count` as measured when the change was made, if that is higher.

    The trouble may grow between decision and change. Against the decision's count, a remedy that helps would be judged
    worse, and so would a rollback that works.
    """
    counts = [count_harm(sample, verification) for sample in baseline]
    return verification.model_copy(update={"baseline_count": max([verification.baseline_count, *counts])})


def with_rollback_tolerance(verification: Verification, rollback_samples: Iterable[EffectSample]) -> Verification:
    """Return the verification of a rollback, with `baseline_count` as the most violated pairs it may leave.

    That is the count before the plan plus half of the increase until the rollback, rounded down. Some increase may have
    other causes; but if more than half remains, the plan's own share may remain too.
    """
    before, harmed = (
        verification.baseline_count,
        max((count_harm(sample, verification) for sample in rollback_samples), default=0),
    )
    return verification.model_copy(update={"baseline_count": max(before, (before + harmed) // 2)})


def reach_verdict(verification: Verification, samples: Iterable[EffectSample]) -> VerdictDetails:
    """Return the verdict over the samples taken after the change.

    The last `required_passes` usable samples decide. `sustained` is the count that at least half of them reach.
    The first rule that applies:

    - inconclusive: fewer than `samples` (or `required_passes`) usable samples; `after` is then `before`
    - worse: sustained > before, also from zero
    - fixed: all counts are zero, and there are targets; a plan without targets is at best no_effect
    - improved: at least half of `before` is resolved; a count that comes and goes is at least 1
    - no_effect: less than half is resolved
    """
    usable = sorted((s for s in samples if is_usable(s, verification)), key=lambda s: s.at)
    counts = [count_harm(sample, verification) for sample in usable]
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
    """Return the consequence of the verdict.

    fixed, improved, no_effect and an inconclusive change of low risk are kept. After no_effect or
    inconclusive the next rung is tried on top.
    worse, and inconclusive of higher risk, is rolled back. It is escalated to an operator if rollback is disabled or no
    action has an inverse.
    """
    risky = verdict is Verdict.INCONCLUSIVE and plan.risk is not Risk.LOW
    if verdict is not Verdict.WORSE and not risky:
        return Consequence.KEEP
    undoable = any(action.inverse is not Inverse.NONE for action in plan.actions)
    return Consequence.ROLL_BACK if undoable and rollback_enabled else Consequence.ESCALATE


def verify_effect(plan: Plan, samples: Iterable[EffectSample], rollback_enabled: bool) -> VerifyResult:
    """Return the verdict on the plan's effect, with its consequence and numbers."""
    details = reach_verdict(plan.verification, samples)
    return VerifyResult(
        headline=f"{details.verdict}: {_format_counts(details)} on {plan.knob}",
        verdict=details.verdict,
        consequence=decide_consequence(details.verdict, plan, rollback_enabled),
        before=details.before,
        after=details.after,
        samples=details.samples,
    )


def verify_rollback(plan: Plan, samples: Iterable[EffectSample], tolerance: Verification) -> VerifyResult:
    """Return whether a rollback restored the state before the plan: no more violated pairs than `tolerance` allows.

    The verdict is fixed (kept), or worse or inconclusive (escalated).
    """
    details = reach_verdict(tolerance, samples)
    before = plan.verification.baseline_count
    after = before if details.verdict is Verdict.INCONCLUSIVE else details.after
    details = replace(details, before=before, after=after)
    restored = details.verdict not in (Verdict.WORSE, Verdict.INCONCLUSIVE)
    label = "verified" if restored else details.verdict.value
    return VerifyResult(
        headline=f"ROLLBACK {label}: {_format_counts(details)} on {plan.knob}",
        verdict=Verdict.FIXED if restored else details.verdict,
        consequence=Consequence.KEEP if restored else Consequence.ESCALATE,
        before=details.before,
        after=details.after,
        samples=details.samples,
    )


def verification_duration(verification: Verification) -> float:
    """Return the seconds from the change to the last sample, the extension included."""
    return verification.delay + (EXTENSION_FACTOR * verification.samples - 1) * verification.interval


def sample_instants(verification: Verification, since: float, now: float) -> tuple[float, ...]:
    """Return the instants (unix seconds) of the samples due by `now` after a change at `since`."""
    first, interval = since + verification.delay, verification.interval
    due = math.floor((now - first) / interval) + 1
    return tuple(first + i * interval for i in range(max(0, min(due, EXTENSION_FACTOR * verification.samples))))


def next_sample_at(verification: Verification, since: float, now: float) -> float | None:
    """Return when the next sample is due, strictly after `now`; None if all samples are due."""
    taken = len(sample_instants(verification, since, now))
    if taken == EXTENSION_FACTOR * verification.samples:
        return None
    return since + verification.delay + taken * verification.interval


def is_conclusive(verification: Verification, samples: Iterable[EffectSample], rollback: bool = False) -> bool:
    """Return whether the samples so far decide the verdict, so that no more are awaited.

    After a plan, fixed and worse decide. After a rollback, any verdict that shows the state before restored decides.
    """
    verdict = reach_verdict(verification, samples).verdict
    if rollback:
        return verdict not in (Verdict.WORSE, Verdict.INCONCLUSIVE)
    return verdict in (Verdict.FIXED, Verdict.WORSE)


def _format_counts(details: VerdictDetails) -> str:
    return (
        f"violated pairs {details.before} → {details.after} (worst {details.worst}, {details.samples} usable samples)"
    )
