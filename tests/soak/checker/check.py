"""The checker: which invariant a finished run broke. It knows nothing of workflows or activities.

I1 to I12 of the invariants. `fence` is the part of I1 that a plan is applied to the state it was decided upon, `quorum`
that the committee never falls below quorum + 1 by a change of ours. `churn` and `storm` are the parts of I8 that need
to know a loop's budgets: no knob is moved more often than they allow, and nothing is done in a storm.
"""

from collections.abc import Callable, Iterator

from tests.soak.checker import budgets, effects, histories, outcomes, security
from tests.soak.checker.evidence import Evidence, Violation

Rule = Callable[[Evidence], Iterator[Violation]]

RULES: tuple[Rule, ...] = (
    effects.once,
    effects.written_before,
    effects.in_order,
    effects.fenced,
    effects.above_quorum,
    outcomes.at_rest,
    outcomes.settled,
    outcomes.recorded_once,
    outcomes.as_recorded,
    outcomes.few_reversals,
    histories.one_at_a_time,
    histories.deterministic,
    histories.undone_if_tried,
    histories.shielded,
    histories.never_blind,
    histories.verified_by_samples,
    histories.alerts_covered,
    histories.bounded,
    budgets.within_budget,
    budgets.calm_in_storms,
    security.secrets_kept,
    security.strangers_unheard,
)


def check(evidence: Evidence) -> list[Violation]:
    """Return every violation, in the order of the rules; none is the good answer."""
    return [violation for rule in RULES for violation in rule(evidence)]
