"""Plan's decision: what will be done, and for everything else why not."""

from activities.model.decision import Block, Decision
from activities.model.diagnosis import Cause
from activities.model.mode import LoopMode
from activities.model.plan import Plan
from activities.model.storm import Storm
from activities.model.types import truncate
from activities.monitor.visibility import REMOTES
from activities.plan.autonomy import AUTONOMY_RULE as AUTONOMY
from activities.plan.build import build_plan
from activities.plan.context import PlanContext
from activities.plan.guards.storm import build_trouble_scope, explained_components, measure_storm, next_storm
from activities.plan.selection import Option, evaluate_candidates


def choose(context: PlanContext) -> Decision:
    """Return the decision; the same context always has the same one.

    The outcome is, by the first that fits: unknown (no cause has a name), blocked (a remote cannot be read), planned,
    observed (only the mode, a silence, a storm or a lack of trust holds the plans back; they are in `shadow`), busy (an
    earlier plan stands on the knob and is not settled), blocked (a guard says "not now"), unknown (too little
    confidence), escalated (no rung is left that may be tried and promises more than it costs).
    """
    storm = decide_storm(context)
    decision = _choose_plans(context, storm)
    blocks = decision.blocks
    if storm and not any(block.rule == "storm" for block in blocks):
        # With nothing to hold back it is a storm all the same, and a person has to hear of it.
        blocks = (*blocks, Block(rule="storm", knob="", reason=storm.reason))
    return decision.model_copy(update={"storm": storm, "blocks": blocks})


def decide_storm(context: PlanContext) -> Storm | None:
    """Return the storm the loop is in after this look, None if it is in none; who sees nothing leaves none."""
    standing = context.guards.storm(context.loop)
    committee = context.analysis.committee
    if committee is None or _unreadable_remotes(context):
        return standing.model_copy(update={"calm_since": None}) if standing else None
    weight = measure_storm(
        build_trouble_scope(context.analysis, committee, context.diagnosis, explained_components(context.diagnosis))
    )
    return next_storm(standing, weight, context.loop, context.at, context.settings.storm)


def _choose_plans(context: PlanContext, storm: Storm | None) -> Decision:
    diagnosis, committee = context.diagnosis, context.analysis.committee
    if not diagnosis.has_known_cause:
        return Decision(outcome="unknown", headline=_format_unknown(context, storm), diagnosis=diagnosis)
    if committee is None or _unreadable_remotes(context):
        block = Block(rule="blind", knob="", reason=f"{_unreadable_remotes(context) or 'the committee'} cannot be read")
        return Decision(outcome="blocked", headline=f"blocked: {block.reason}", diagnosis=diagnosis, blocks=(block,))
    considered = evaluate_candidates(context, committee, storm)
    plans = tuple(build_plan(option, context, committee) for option in considered if option.is_open)
    held = [o for o in considered if o.block and _is_observe_only(o.block, context)]
    shadow = tuple(build_plan(option, context, committee) for option in held)
    outcome = _decide_outcome(considered, plans, shadow)
    return Decision(
        outcome=outcome,
        headline=truncate(_format_headline(outcome, context, considered, plans + shadow)),
        diagnosis=diagnosis,
        plans=plans,
        shadow=shadow,
        candidates=tuple(option.candidate for option in considered),
        blocks=tuple(option.block for option in considered if option.block),
    )


def _unreadable_remotes(context: PlanContext) -> str:
    return ", ".join(sorted({spot.component for spot in context.diagnosis.blind}.intersection(REMOTES)))


def _is_observe_only(block: Block, context: PlanContext) -> bool:
    observing = block.rule == "mode" and context.mode.name is LoopMode.OBSERVE
    return observing or block.rule in ("silenced", "storm", AUTONOMY)


TRANSIENT_RULES = frozenset(
    {
        "quarantine",
        "storm",
        "frozen",
        "foreign-writer",
        "cool-down",
        "reverse",
        "budget",
        "concurrency",
        "freeze-date",
        "window",
        "mode",
        "kill-switch",
        "silenced",
        AUTONOMY,
    }
)
"""Rules whose block goes away: by time, or by a person who says so."""
UNSETTLED_RULE = "unsettled"
"""So does this one, and meanwhile somebody is at work on the knob, or will be with the next upkeep."""


def _decide_outcome(considered: tuple[Option, ...], plans: tuple[Plan, ...], shadow: tuple[Plan, ...]) -> str:
    if plans:
        return "planned"
    if shadow:
        return "observed"
    rules = {option.candidate.rejected_by for option in considered}
    if UNSETTLED_RULE in rules:
        return "busy"
    if rules.intersection(TRANSIENT_RULES):
        return "blocked"
    return "unknown" if "confidence" in rules else "escalated"


def _format_headline(
    outcome: str, context: PlanContext, considered: tuple[Option, ...], plans: tuple[Plan, ...]
) -> str:
    if plans:
        more = f" (and {len(plans) - 1} more)" if len(plans) > 1 else ""
        storm = next((o.block.reason for o in considered if o.block and o.block.rule == "storm"), "")
        return f"{outcome} {plans[0].headline}{more}" + (f"; {storm}" if storm else "")
    stops = [
        o.candidate for o in considered if o.candidate.rejected_by in {UNSETTLED_RULE, *TRANSIENT_RULES, "confidence"}
    ]
    if stops:
        best = stops[0]
        return f"{outcome} by {best.rejected_by}: {best.actions[0].summary}: {best.reason}"
    root = next(r for r in context.diagnosis.root_causes if r.cause is not Cause.UNKNOWN)
    tried = sum(o.candidate.rejected_by == "ladder" for o in considered)
    return (
        f"escalated to a person: no rung left against {root.cause} on {root.component} {root.confidence:.2f} "
        f"({len(considered)} candidates, {tried} tried)"
    )


def _format_unknown(context: PlanContext, storm: Storm | None = None) -> str:
    count = len(context.diagnosis.violations)
    also = f"; in a storm: {storm.reason}" if storm else ""
    return truncate(f"unknown cause behind {count} violations: confidence {context.diagnosis.confidence:.2f}{also}")
