"""From the chosen candidate to the plan: everything a remediation will need, fixed and hashed."""

from activities.analyze.causes.symptoms import expanded
from activities.model.action import COMMITTEE
from activities.model.autonomy import Level
from activities.model.charter import Committee
from activities.model.diagnosis import Diagnosis, RootCause
from activities.model.incident import incident_id
from activities.model.pattern import Ground
from activities.model.plan import Plan, Risk, Verification, plan_hash
from activities.model.types import clipped
from activities.plan.autonomy import level_of
from activities.plan.context import PlanContext
from activities.plan.guards.core import doubted
from activities.plan.guards.rates import careful
from activities.plan.guards.storm import leading_of
from activities.plan.knobs import generation_of
from activities.plan.risk import needs_approval, risk_of
from activities.plan.selection import Option


def frozen(option: Option, context: PlanContext, committee: Committee) -> Plan:
    """Return the plan of a chosen option.

    It belongs to the open incident of its knob, or to a new one whose onset is that of the root cause.
    """
    candidate, root, settings = option.candidate, option.root, context.settings
    known = context.guards.incident(candidate.knob)
    onset = known.onset if known else root.onset
    incident = known.incident_id if known else incident_id(context.charter, candidate.knob, onset)
    generation = generation_of(candidate.knob, committee, context.analysis.policies)
    full = plan_hash(incident, candidate.rung, generation, candidate.actions)
    risk = risk_of(candidate.actions, len(context.analysis.components))
    return Plan(
        plan_id=full[:12],
        hash=full,
        loop=context.loop,
        charter=context.charter,
        cycle_id=context.cycle_id,
        knob=candidate.knob,
        incident_id=incident,
        rung=candidate.rung,
        cause=root.cause,
        component=root.component,
        onset=onset,
        generation=generation,
        actions=candidate.actions,
        created_at=context.at,
        settle=settings.settle_seconds,
        verification=verification_of(option, context, committee),
        cool_downs=settings.cooldown.frozen(),
        risk=risk,
        needs_approval=for_a_person(option, context, risk),
        approval_deadline=settings.approval.deadline_seconds,
        confidence=root.confidence,
        cost=candidate.cost,
        benefit=candidate.benefit,
        score=candidate.score,
        snapshot=context.snapshot,
        headline=headline(option),
        leading=leading_of(context.diagnosis),
        watched=len(context.analysis.components),
        grounds=grounds_of(root, context.diagnosis),
        doubted=doubted(root, settings.min_confidence),
    )


def grounds_of(root: RootCause, diagnosis: Diagnosis) -> tuple[Ground, ...]:
    """Return the counted patterns on the components whose violations the cause explains."""
    explained = {component for component, _ in root.pairs}
    return tuple(
        Ground(kind=pattern.kind, strength=pattern.evidence.strength)
        for pattern in diagnosis.patterns
        if pattern.evidence.strength is not None and explained & set(pattern.components)
    )


def for_a_person(option: Option, context: PlanContext, risk: Risk) -> bool:
    """Tell whether a person has to approve: too little trust, a doubt, too much risk, an error budget nearly spent."""
    actions, settings = option.candidate.actions, context.settings
    return (
        level_of(option.root.cause, actions, context.autonomy) is not Level.AUTO
        or doubted(option.root, settings.min_confidence)
        or needs_approval(actions, risk, settings.approval)
        or careful(actions, context.error_budget, settings.error_budget)
    )


def headline(option: Option) -> str:
    """Return one line with values: what, at which score, against what."""
    candidate, root = option.candidate, option.root
    what = " then ".join(action.text for action in candidate.actions)
    return clipped(f"{what}: score {candidate.score:+.2f}; {root.cause} on {root.component} {root.confidence:.2f}")


def verification_of(option: Option, context: PlanContext, committee: Committee) -> Verification:
    """Return what the effect is judged by: the cause's pairs must become good, those around must not get worse.

    Around are the components with a pair among the targets, their callers and callees, and all members for a trouble
    or a knob of the committee; those that cannot be seen now cannot be seen to get worse and are left out.
    """
    root, analysis, diagnosis = option.root, context.analysis, context.diagnosis
    members = frozenset(member.name for member in committee.members)
    calls = expanded(analysis.topology, members)
    touched = {component for component, _ in root.pairs} | {root.component}
    around = touched.union(*(calls.neighbours(component) for component in touched))
    if COMMITTEE in (root.component, option.candidate.knob):
        around |= members
    around -= {COMMITTEE, *(spot.component for spot in diagnosis.blind)}
    violated = {violation.key for violation in diagnosis.violations}
    return context.verification.model_copy(
        update={
            "targets": root.pairs,
            "neighbours": tuple(sorted(around)),
            "before": len(violated.intersection(root.pairs)),
            "known": tuple(sorted(pair for pair in violated if pair[0] in around and pair not in root.pairs)),
        }
    )
