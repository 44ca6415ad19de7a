"""The known causes by the symptoms they show. Each guess explains pairs no other guess explains."""

from collections.abc import Callable, Iterator

from activities.analyze.causes.ranked import Case, Guess, confirmed, pairs_of, ranked, unknown
from activities.analyze.causes.symptoms import (
    DEAD,
    FAILURE,
    LATENCY,
    NOTICE,
    NOTIFICATION,
    POLICY_LOAD,
    REPORT,
    SIZE,
    THROUGHPUT,
    connected,
    upstream,
)
from activities.model.action import COMMITTEE
from activities.model.diagnosis import Cause, RootCause

_SPREAD = 3
"""Failing components that make a cascade."""
_TIE = 0.9
"""Failure rates within 10 % of the highest are equal: noise must not choose."""


def root_causes(case: Case) -> tuple[RootCause, ...]:
    """Return the ranked causes of what is violated now, with disjoint pairs; nothing for no violation.

    The most certain evidence explains first: what Charter itself says, then what many components show together, then
    what one component shows alone. If nothing can be named, the answer is one cause "unknown" with all pairs.
    """
    if not case.violations:
        return ()
    found: list[RootCause] = []
    left = case
    for guesses in _GUESSES:
        for guess in tuple(guesses(left)):
            cause = confirmed(left, guess)
            if cause is not None:
                found.append(cause)
                left = left.without(guess.explains)
    return ranked(found) or (unknown(case),)


def _dead(case: Case) -> Iterator[Guess]:
    for name in case.having(DEAD):
        why = f"Charter reports that {name} does not answer"
        yield Guess(Cause.UNHEALTHY_MEMBER, name, 1.0, pairs_of(case, [name]), why)


def _cascades(case: Case) -> Iterator[Guess]:
    for group in connected(case.topology, case.having(FAILURE)):
        loud = [name for name in group if case.symptoms[name] & (REPORT | NOTICE)]
        if len(group) < _SPREAD or 2 * len(loud) <= len(group):
            continue
        why = f"{len(group)} linked components fail ({', '.join(sorted(group))}), {len(loud)} of them loudly"
        explains = pairs_of(case, group, FAILURE | REPORT | NOTICE)
        yield Guess(Cause.CASCADE, _source(case, group), (1 + len(loud) / len(group)) / 2, explains, why)


def _source(case: Case, group: frozenset[str]) -> str:
    """Return where a cascade comes from: the component that fails most; of equals, the one no other of them calls.

    Each hop absorbs some of the retries, so failures are highest at the origin. Depth in the call graph alone would
    blame a callee for what its caller sends it.
    """
    failing = [v for v in case.violations if v.metric == "failure_rate" and v.component in group]
    rates = {violation.component: violation.value or 0.0 for violation in failing}
    worst = max(rates.values(), default=0.0)
    candidates = {name for name in group if rates.get(name, 0.0) >= _TIE * worst}
    entries = [name for name in candidates if not set(case.topology.callers(name)) & candidates]
    return min(entries or candidates)


def _slow_committee(case: Case) -> Iterator[Guess]:
    slow = [name for name in case.members if case.symptoms.get(name, frozenset()) & LATENCY]
    failing = [name for name in slow if case.symptoms[name] & FAILURE]
    if len(slow) < 2 or 2 * len(slow) <= len(case.members):
        return
    limits = {v.limit for v in case.violations if v.metric == "validation_latency_seconds" and v.limit is not None}
    above = f"above {min(limits):g} s" if limits else "slow"
    why = f"{len(slow)} of {len(case.members)} validators {above}, {len(failing)} of them failing"
    waiting = {name for name in upstream(case.topology, slow) if not case.symptoms.get(name, frozenset()) & REPORT}
    explains = pairs_of(case, [*slow, *waiting], LATENCY | THROUGHPUT) | pairs_of(case, case.symptoms, SIZE)
    share = 1.0 if 2 * len(failing) <= len(slow) else 0.5
    yield Guess(Cause.VALIDATION_LATENCY, COMMITTEE, share, explains, why)


def _single(case: Case) -> Iterator[Guess]:
    for name, metrics in sorted(case.symptoms.items()):
        late, slow = bool(metrics & REPORT), bool(metrics & LATENCY)
        explains = pairs_of(case, [name])
        if slow and metrics & NOTIFICATION:
            why = f"{name} alone is slow and notifies late" + (", but it also reports late" if late else "")
            yield Guess(Cause.UNHEALTHY_MEMBER, name, 0.5 if late else 1.0, explains, why)
        elif slow and late:
            yield Guess(Cause.OVERLOAD, name, 1.0, explains, f"{name} alone is slow and reports late")
        elif metrics & FAILURE and not slow and not _failing_neighbours(case, name):
            expected = ({"failure_rate"}, {"violations_total"}, POLICY_LOAD)
            seen = [sorted(family & metrics)[0] for family in expected if family & metrics]
            why = f"{', '.join(seen)} on {name} without latency, and no neighbour fails"
            yield Guess(Cause.POLICY_MISCONFIGURATION, name, len(seen) / len(expected), explains, why)


def _failing_neighbours(case: Case, name: str) -> bool:
    return any(case.symptoms.get(near, frozenset()) & FAILURE for near in case.topology.neighbours(name))


_GUESSES: tuple[Callable[[Case], Iterator[Guess]], ...] = (_dead, _cascades, _slow_committee, _single)
