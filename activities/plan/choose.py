"""Plan's decision: what will be done, and for everything else why not."""

from activities.model.decision import Block, Decision
from activities.model.diagnosis import Cause
from activities.model.mode import ModeName
from activities.model.plan import Plan
from activities.model.storm import Storm
from activities.model.types import clipped
from activities.monitor.visibility import REMOTES
from activities.plan.autonomy import RULE as AUTONOMY
from activities.plan.build import frozen
from activities.plan.context import PlanContext
from activities.plan.guards.storm import following, leading_of, scene_of, weigh
from activities.plan.selection import Option, options


def choose(context: PlanContext) -> Decision:
    """Return the decision; the same context always has the same one.

    The outcome is, by the first that fits: unknown (no cause has a name), blocked (a remote cannot be read), planned,
    observed (only the mode, a silence, a storm or a lack of trust holds the plans back; they are in `shadow`), busy (an
    earlier plan stands on the knob and is not settled), blocked (a guard says "not now"), unknown (too little
    confidence), escalated (no rung is left that may be tried and promises more than it costs).
    """
    storm = storm_of(context)
    decision = _chosen(context, storm)
    blocks = decision.blocks
    if storm and not any(block.rule == "storm" for block in blocks):
        # With nothing to hold back it is a storm all the same, and a person has to hear of it.
        blocks = (*blocks, Block(rule="storm", knob="", reason=storm.why))
    return decision.model_copy(update={"storm": storm, "blocks": blocks})


def storm_of(context: PlanContext) -> Storm | None:
    """Return the storm the loop is in after this look, None if it is in none; who sees nothing leaves none."""
    standing = context.guards.storm(context.loop)
    committee = context.analysis.committee
    if committee is None or _unseen(context):
        return standing.model_copy(update={"calm_since": None}) if standing else None
    weight = weigh(scene_of(context.analysis, committee, context.diagnosis, leading_of(context.diagnosis)))
    return following(standing, weight, context.loop, context.at, context.settings.storm)


def _chosen(context: PlanContext, storm: Storm | None) -> Decision:
    diagnosis, committee = context.diagnosis, context.analysis.committee
    if not diagnosis.known:
        return Decision(outcome="unknown", headline=_unknown(context, storm), diagnosis=diagnosis)
    if committee is None or _unseen(context):
        block = Block(rule="blind", knob="", reason=f"{_unseen(context) or 'the committee'} cannot be read")
        return Decision(outcome="blocked", headline=f"blocked: {block.reason}", diagnosis=diagnosis, blocks=(block,))
    considered = options(context, committee, storm)
    plans = tuple(frozen(option, context, committee) for option in considered if option.open)
    held = [o for o in considered if o.block and _only_watched(o.block, context)]
    shadow = tuple(frozen(option, context, committee) for option in held)
    outcome = _outcome(considered, plans, shadow)
    return Decision(
        outcome=outcome,
        headline=clipped(_headline(outcome, context, considered, plans + shadow)),
        diagnosis=diagnosis,
        plans=plans,
        shadow=shadow,
        candidates=tuple(option.candidate for option in considered),
        blocks=tuple(option.block for option in considered if option.block),
    )


def _unseen(context: PlanContext) -> str:
    return ", ".join(sorted({spot.component for spot in context.diagnosis.blind}.intersection(REMOTES)))


def _only_watched(block: Block, context: PlanContext) -> bool:
    observing = block.rule == "mode" and context.mode.name is ModeName.OBSERVE
    return observing or block.rule in ("silenced", "storm", AUTONOMY)


WAITING = frozenset(
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
UNSETTLED = "unsettled"
"""So does this one, and meanwhile somebody is at work on the knob, or will be with the next upkeep."""


def _outcome(considered: tuple[Option, ...], plans: tuple[Plan, ...], shadow: tuple[Plan, ...]) -> str:
    if plans:
        return "planned"
    if shadow:
        return "observed"
    rules = {option.candidate.rejected_by for option in considered}
    if UNSETTLED in rules:
        return "busy"
    if rules.intersection(WAITING):
        return "blocked"
    return "unknown" if "confidence" in rules else "escalated"


def _headline(outcome: str, context: PlanContext, considered: tuple[Option, ...], plans: tuple[Plan, ...]) -> str:
    if plans:
        more = f" (and {len(plans) - 1} more)" if len(plans) > 1 else ""
        storm = next((o.block.reason for o in considered if o.block and o.block.rule == "storm"), "")
        return f"{outcome} {plans[0].headline}{more}" + (f"; {storm}" if storm else "")
    stops = [o.candidate for o in considered if o.candidate.rejected_by in {UNSETTLED, *WAITING, "confidence"}]
    if stops:
        best = stops[0]
        return f"{outcome} by {best.rejected_by}: {best.actions[0].text}: {best.reason}"
    root = next(r for r in context.diagnosis.root_causes if r.cause is not Cause.UNKNOWN)
    tried = sum(o.candidate.rejected_by == "ladder" for o in considered)
    return (
        f"escalated to a person: no rung left against {root.cause} on {root.component} {root.confidence:.2f} "
        f"({len(considered)} candidates, {tried} tried)"
    )


def _unknown(context: PlanContext, storm: Storm | None = None) -> str:
    count = len(context.diagnosis.violations)
    also = f"; in a storm: {storm.why}" if storm else ""
    return clipped(f"unknown cause behind {count} violations: confidence {context.diagnosis.confidence:.2f}{also}")
