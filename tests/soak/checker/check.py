"""The checker: which invariant a finished run broke. It does not use the code of workflows or activities.

The invariants are I1 to I12. `fence` is a part of I1: a plan is applied to the state it was decided on. `quorum` is
another part: no change of the loop leaves the committee below quorum + 1. `churn` and `storm` are parts of I8: no knob
has more remediations than its budget allows, and no remediation starts in a storm.
"""

from collections.abc import Callable, Iterator

from tests.soak.checker import budgets, effects, histories, outcomes, security
from tests.soak.checker.evidence import Evidence, Violation

InvariantCheck = Callable[[Evidence], Iterator[Violation]]

INVARIANT_CHECKS: tuple[InvariantCheck, ...] = (
    effects.check_effect_once,
    effects.check_audited_before_effect,
    effects.check_step_order,
    effects.check_fencing,
    effects.check_quorum,
    outcomes.check_accounted_at_rest,
    outcomes.check_no_unowned_effect,
    outcomes.check_recorded_once,
    outcomes.check_outcome_matches_ledger,
    outcomes.check_reversal_limit,
    histories.check_one_remediation_per_knob,
    histories.check_deterministic,
    histories.check_tried_steps_undone,
    histories.check_shielded,
    histories.check_no_blind_decision,
    histories.check_verdict_samples,
    histories.check_alerts_covered,
    histories.check_attempt_limit,
    budgets.check_budgets,
    budgets.check_inactive_in_storms,
    security.check_no_secret_leaked,
    security.check_unauthorized_refused,
)


def find_violations(evidence: Evidence) -> list[Violation]:
    """Return every violation, in the order of the checks."""
    return [violation for check in INVARIANT_CHECKS for violation in check(evidence)]
