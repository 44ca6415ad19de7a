"""The plan from the chosen candidate: its id, whether an operator must approve it, and how it is verified."""

from activities.analyze.causes.symptoms import expand_committee
from activities.model.action import COMMITTEE
from activities.model.autonomy import Level
from activities.model.charter import Committee
from activities.model.diagnosis import Diagnosis, RootCause
from activities.model.incident import compute_incident_id
from activities.model.pattern import PatternBasis
from activities.model.plan import Plan, Risk, Verification, compute_plan_hash
from activities.model.types import truncate
from activities.plan.autonomy import lowest_level
from activities.plan.context import PlanContext
from activities.plan.guards.core import is_low_confidence
from activities.plan.guards.rates import error_budget_requires_approval
from activities.plan.knobs import knob_generation
from activities.plan.risk import compute_risk, risk_requires_approval
from activities.plan.selection import Option


def build_plan(option: Option, context: PlanContext, committee: Committee) -> Plan:
    """Return the plan of a chosen option.

    It belongs to the open incident of its knob, or to a new one with the onset of the root cause.
    """
    candidate, root, settings = option.candidate, option.root, context.settings
    open_incident = context.guards.incident(candidate.knob)
    onset = open_incident.onset if open_incident else root.onset
    incident_id = (
        open_incident.incident_id if open_incident else compute_incident_id(context.charter, candidate.knob, onset)
    )
    generation = knob_generation(candidate.knob, committee, context.analysis.policies)
    plan_hash = compute_plan_hash(incident_id, candidate.rung, generation, candidate.actions)
    risk = compute_risk(candidate.actions, len(context.analysis.components))
    return Plan(
        plan_id=plan_hash[:12],
        hash=plan_hash,
        loop=context.loop,
        charter=context.charter,
        cycle_id=context.cycle_id,
        knob=candidate.knob,
        incident_id=incident_id,
        rung=candidate.rung,
        cause=root.cause,
        component=root.component,
        onset=onset,
        generation=generation,
        actions=candidate.actions,
        created_at=context.at,
        settle=settings.settle_seconds,
        verification=build_verification(option, context, committee),
        cool_downs=settings.cool_down.to_cool_downs(),
        risk=risk,
        needs_approval=requires_approval(option, context, risk),
        confidence=root.confidence,
        cost=candidate.cost,
        benefit=candidate.benefit,
        score=candidate.score,
        snapshot=context.snapshot,
        headline=format_headline(option),
        component_count=len(context.analysis.components),
        evidence_patterns=collect_evidence_patterns(root, context.diagnosis),
        low_confidence=is_low_confidence(root, settings.min_confidence),
    )


def collect_evidence_patterns(root: RootCause, diagnosis: Diagnosis) -> tuple[PatternBasis, ...]:
    """Return the patterns with a strength on the components whose violations the cause explains."""
    explained = {component for component, _ in root.violated_pairs}
    return tuple(
        PatternBasis(kind=pattern.kind, strength=pattern.evidence.strength)
        for pattern in diagnosis.patterns
        if pattern.evidence.strength is not None and explained & set(pattern.components)
    )


def requires_approval(option: Option, context: PlanContext, risk: Risk) -> bool:
    """Return whether an operator must approve: low trust, low confidence, high risk or a small error budget."""
    actions, settings = option.candidate.actions, context.settings
    return (
        lowest_level(option.root.cause, actions, context.autonomy) is not Level.AUTO
        or is_low_confidence(option.root, settings.min_confidence)
        or risk_requires_approval(actions, risk, settings.approval)
        or error_budget_requires_approval(actions, context.error_budget, settings.error_budget)
    )


def format_headline(option: Option) -> str:
    """Return one line with values: the actions, their score, the cause and its confidence."""
    candidate, root = option.candidate, option.root
    actions = " then ".join(action.summary for action in candidate.actions)
    return truncate(f"{actions}: score {candidate.score:+.2f}; {root.cause} on {root.component} {root.confidence:.2f}")


def build_verification(option: Option, context: PlanContext, committee: Committee) -> Verification:
    """Return how the plan is verified: its targets must recover, and no neighbour may get worse.

    The targets are the violated pairs of the cause. The neighbours are their components with all callers and callees.
    For a problem or a knob of the committee all its members are neighbours too. Blind components are left out, because
    a change for the worse would not show there.
    """
    root, analysis, diagnosis = option.root, context.analysis, context.diagnosis
    members = frozenset(member.name for member in committee.members)
    calls = expand_committee(analysis.topology, members)
    affected = {component for component, _ in root.violated_pairs} | {root.component}
    neighbours = affected.union(*(calls.neighbours(component) for component in affected))
    if COMMITTEE in (root.component, option.candidate.knob):
        neighbours |= members
    neighbours -= {COMMITTEE, *(spot.component for spot in diagnosis.blind)}
    violated = {violation.key for violation in diagnosis.violations}
    return context.verification.model_copy(
        update={
            "targets": root.violated_pairs,
            "neighbours": tuple(sorted(neighbours)),
            "baseline_count": len(violated.intersection(root.violated_pairs)),
            "preexisting": tuple(
                sorted(pair for pair in violated if pair[0] in neighbours and pair not in root.violated_pairs)
            ),
        }
    )
