"""Plan's decision: what will be applied, and for everything else why not."""

from activities.model.decision import Block, Decision
from activities.model.diagnosis import Cause
from activities.model.guard_rule import GuardRule
from activities.model.mode import LoopMode
from activities.model.plan import Plan
from activities.model.storm import Storm
from activities.model.types import truncate
from activities.monitor.visibility import REMOTES
from activities.plan.build import build_plan
from activities.plan.context import PlanContext
from activities.plan.guards.storm import judge_storm
from activities.plan.guards.table import TEMPORARY_GUARDS
from activities.plan.selection import Option, evaluate_candidates

OBSERVE_ONLY_RULES = frozenset({GuardRule.SILENCED, GuardRule.STORM, GuardRule.AUTONOMY})
"""Guards whose blocked plans are shown as shadows. In mode observe, `GuardRule.MODE` is one of them."""


def choose(context: PlanContext) -> Decision:
    """Return the decision; the same context always has the same one.

    The outcome is the first that applies:

    - unknown: no cause is named
    - blocked: a remote cannot be read
    - planned
    - observed: only the mode, a silence, a storm or a lack of trust holds the plans back; they are in `shadow`
    - busy: an earlier plan on the knob is not settled
    - blocked: another temporary guard refuses
    - unknown: the confidence is too low
    - escalated: no remedy is left: every rung was tried, is refused, or costs more than its benefit
    """
    current_storm = context.guards.storm(context.loop)
    storm = judge_storm(current_storm, context.analysis, context.diagnosis, context.loop, context.settings.storm)
    decision = _choose_plans(context, storm)
    blocks = decision.blocks
    if storm and not any(block.rule == GuardRule.STORM for block in blocks):
        # Without a plan to hold back it is a storm all the same, and an operator must hear of it.
        blocks = (*blocks, Block(rule=GuardRule.STORM, knob="", reason=storm.reason))
    return decision.model_copy(update={"storm": storm, "blocks": blocks})


def _choose_plans(context: PlanContext, storm: Storm | None) -> Decision:
    diagnosis, committee = context.diagnosis, context.analysis.committee
    if not diagnosis.has_known_cause:
        return Decision(outcome="unknown", headline=_format_unknown(context, storm), diagnosis=diagnosis)
    unreadable = ", ".join(sorted({spot.component for spot in diagnosis.blind}.intersection(REMOTES)))
    if committee is None or unreadable:
        block = Block(rule="blind", knob="", reason=f"{unreadable or 'the committee'} cannot be read")
        return Decision(outcome="blocked", headline=f"blocked: {block.reason}", diagnosis=diagnosis, blocks=(block,))
    options = evaluate_candidates(context, committee, storm)
    plans = tuple(build_plan(option, context, committee) for option in options if option.is_open)
    shadow = tuple(
        build_plan(option, context, committee)
        for option in options
        if option.block and _is_observe_only(option.block, context)
    )
    outcome = _decide_outcome(options, plans, shadow)
    return Decision(
        outcome=outcome,
        headline=truncate(_format_headline(outcome, context, options, plans + shadow)),
        diagnosis=diagnosis,
        plans=plans,
        shadow=shadow,
        candidates=tuple(option.candidate for option in options),
        blocks=tuple(option.block for option in options if option.block),
    )


def _is_observe_only(block: Block, context: PlanContext) -> bool:
    is_observing = block.rule == GuardRule.MODE and context.mode.name is LoopMode.OBSERVE
    return is_observing or block.rule in OBSERVE_ONLY_RULES


def _temporary_rules(options: tuple[Option, ...]) -> set[str]:
    return {option.candidate.rejected_by for option in options} & {guard.rule.value for guard in TEMPORARY_GUARDS}


def _decide_outcome(options: tuple[Option, ...], plans: tuple[Plan, ...], shadow: tuple[Plan, ...]) -> str:
    if plans:
        return "planned"
    if shadow:
        return "observed"
    rules = _temporary_rules(options)
    if GuardRule.UNSETTLED in rules:
        return "busy"
    if rules - {GuardRule.CONFIDENCE}:
        return "blocked"
    return "unknown" if rules else "escalated"


def _format_headline(outcome: str, context: PlanContext, options: tuple[Option, ...], plans: tuple[Plan, ...]) -> str:
    if plans:
        more = f" (and {len(plans) - 1} more)" if len(plans) > 1 else ""
        storm = next((o.block.reason for o in options if o.block and o.block.rule == GuardRule.STORM), "")
        return f"{outcome} {plans[0].headline}{more}" + (f"; {storm}" if storm else "")
    rules = _temporary_rules(options)
    best = next((option.candidate for option in options if option.candidate.rejected_by in rules), None)
    if best is not None:
        return f"{outcome} by {best.rejected_by}: {best.actions[0].summary}: {best.reason}"
    root = next(r for r in context.diagnosis.root_causes if r.cause is not Cause.UNKNOWN)
    tried = sum(option.candidate.rejected_by == "ladder" for option in options)
    return (
        f"escalated to an operator: no rung left against {root.cause} on {root.component} {root.confidence:.2f} "
        f"({len(options)} candidates, {tried} tried)"
    )


def _format_unknown(context: PlanContext, storm: Storm | None) -> str:
    count = len(context.diagnosis.violations)
    suffix = f"; in a storm: {storm.reason}" if storm else ""
    return truncate(f"unknown cause behind {count} violations: confidence {context.diagnosis.confidence:.2f}{suffix}")
