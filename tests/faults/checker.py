"""The checker: which invariant a finished run broke. It knows nothing of workflows or activities.

I1 to I12 of the invariants. `fence` is the part of I1 that a plan is applied to the state it was decided upon, `quorum`
that the committee never falls below quorum + 1 by a change of ours. `churn` and `storm` are the parts of I8 that need
to know a loop's budgets: no knob is moved more often than they allow, and nothing is done in a storm.
"""

from collections.abc import Callable, Iterator

from tests.faults import churn, effects, endings, running, trespass
from tests.faults.evidence import Evidence, Violation

Rule = Callable[[Evidence], Iterator[Violation]]

RULES: tuple[Rule, ...] = (
    effects.once,
    effects.written_before,
    effects.in_order,
    effects.fenced,
    effects.above_quorum,
    endings.at_rest,
    endings.settled,
    endings.recorded_once,
    endings.as_recorded,
    endings.few_reversals,
    running.one_at_a_time,
    running.deterministic,
    running.undone_if_tried,
    running.shielded,
    running.never_blind,
    running.verified_by_samples,
    running.alerts_covered,
    running.bounded,
    churn.within_budget,
    churn.calm_in_storms,
    trespass.secrets_kept,
    trespass.strangers_unheard,
)


def check(evidence: Evidence) -> list[Violation]:
    """Return every violation, in the order of the rules; none is the good answer."""
    return [violation for rule in RULES for violation in rule(evidence)]
