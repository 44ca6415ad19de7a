"""The last check before a plan is applied: it is unaltered, allowed and still right.

Hash, id, knob, risk and need of approval are computed again, not read from the plan. A plan that this worker's
configuration refuses is `rejected` (its rung is used up). A plan that the present state refuses is `stale` (the next
cycle plans again). A plan without any violation left is `recovered`.
"""

from dataclasses import dataclass
from typing import NamedTuple

from activities.execute.settings import ExecuteSettings, ExecutionMode
from activities.execute.verify.verification import verification_duration
from activities.model.autonomy import Autonomy, Level
from activities.model.guard_state import GuardState
from activities.model.mode import Mode
from activities.model.plan import Plan, Risk, compute_plan_hash
from activities.model.remediation import PrepareResult, Step
from activities.model.snapshot import AnalysisInput
from activities.model.storm import Storm
from activities.model.types import truncate
from activities.monitor.current_state import CurrentState
from activities.monitor.judgement import Judgement
from activities.monitor.visibility import REMOTES
from activities.plan.autonomy import autonomy_guard, lowest_level
from activities.plan.guards.base import GuardInput
from activities.plan.guards.core import (
    OPERATOR_PLAN_GUARDS,
    PERMANENT_GUARDS,
    TRANSIENT_GUARDS,
    find_first_block,
    silenced_guard,
)
from activities.plan.guards.rates import error_budget_requires_approval
from activities.plan.guards.settings import StormSettings
from activities.plan.guards.storm import build_trouble_scope, measure_storm, next_storm
from activities.plan.knobs import knob_generation
from activities.plan.risk import compute_risk, risk_requires_approval
from activities.plan.settings import PlanSettings

PLAN_AGE_MARGIN_SECONDS = 3600.0
"""Seconds a plan stays valid beyond the approval deadline. After a longer delay the decision is out of date."""
CONFIG_ONLY_RULES = frozenset({"allowed", "max-replicas"})
"""Guards that depend on the configuration alone; the generation fences the state of the committee."""


@dataclass(frozen=True)
class PreflightFacts:
    """The state just before the apply, at `at` (unix seconds), and this worker's settings."""

    at: float
    mode: Mode
    guards: GuardState
    state: CurrentState
    component_count: int
    settings: PlanSettings
    execute: ExecuteSettings
    autonomy: Autonomy
    approved: bool = False
    """An operator approved this plan."""
    unresolved: frozenset[int] = frozenset()
    """As in `StepState`: steps (from 0) that a run of this remediation before a reset may have applied."""
    last_generation: int | None = None
    """As in `StepState`: the knob's generation after those steps."""
    previous_outcome: str = ""
    """How the plan ended before, if it changed Charter."""
    storm: Storm | None = None
    silenced: tuple[str, ...] = ()
    """Components that are only observed ("*": all of them)."""
    error_budget: float | None = None
    """The fraction that remains, None without a query for it."""


class Refusal(NamedTuple):
    """Why a plan is not applied: its outcome, the reason, and the rule of the guard that refuses it, if any."""

    outcome: str
    reason: str
    rule: str = ""


def preflight_check(plan: Plan, facts: PreflightFacts) -> PrepareResult:
    """Return whether the plan may be applied now; the outcome is empty, rejected, stale or recovered.

    Steps that are already applied belong to the present state, and need no second approval.
    """
    outcome, reason, rule = (
        _check_integrity(plan) or _check_guards(plan, facts) or _check_freshness(plan, facts) or Refusal("", "")
    )
    actions = " then ".join(action.summary for action in plan.actions)
    risk = compute_risk(plan.actions, facts.component_count) if plan.actions else plan.risk
    level = _autonomy_level(plan, facts)
    is_approved = facts.approved or facts.last_generation is not None
    requires_approval = (
        level is Level.SUGGEST
        or plan.low_confidence
        or risk_requires_approval(plan.actions, risk, facts.settings.approval)
        or error_budget_requires_approval(plan.actions, facts.error_budget, facts.settings.error_budget)
    )
    trust = ("" if level is Level.AUTO else f", {level}") + (", low confidence" if plan.low_confidence else "")
    return PrepareResult(
        headline=truncate(f"{outcome}: {reason}" if outcome else f"ready, risk {risk}{trust}: {actions}"),
        outcome=outcome,
        needs_approval=not outcome and not is_approved and requires_approval,
        deadline=facts.settings.approval.deadline_seconds,
        generation=plan.generation,
        steps=tuple(Step(summary=a.summary, is_applied=i in facts.unresolved) for i, a in enumerate(plan.actions)),
        timeout=facts.execute.timeout_seconds,
        retries=facts.execute.max_retries,
        verification_duration=verification_duration(plan.verification),
        transactional=facts.execute.execution_mode is ExecutionMode.TRANSACTIONAL,
        requested_by=plan.requested_by,
        risky=risk is not Risk.LOW,
        blocked_by=rule,
        loop=plan.loop,
    )


def _check_integrity(plan: Plan) -> Refusal | None:
    expected = compute_plan_hash(plan.incident_id, plan.rung, plan.generation, plan.actions)
    if plan.hash != expected or plan.plan_id != expected[:12]:
        return Refusal("rejected", f"tampered: the content of plan {plan.plan_id} has the id {expected[:12]}")
    if not plan.actions or any(action.knob != plan.knob for action in plan.actions):
        return Refusal("rejected", f"tampered: its actions do not all change {plan.knob}")
    return None


def _check_guards(plan: Plan, facts: PreflightFacts) -> Refusal | None:
    if facts.previous_outcome:
        return Refusal("stale", f"the plan ended before: {facts.previous_outcome}")
    state = facts.state
    if state.committee is None or state.policies is None:
        return Refusal("stale", "Charter cannot be read: committee and policies are unknown")
    guard_input = _build_guard_input(plan, facts)
    generation = knob_generation(plan.knob, state.committee, state.policies)
    rejected = find_first_block(PERMANENT_GUARDS, plan.actions, guard_input)
    if rejected is not None and rejected.rule in CONFIG_ONLY_RULES:
        return Refusal("rejected", f"{rejected.rule}: {rejected.reason}", rejected.rule)
    expected = plan.generation if facts.last_generation is None else facts.last_generation
    if generation != expected:
        return Refusal("stale", f"{plan.knob} moved from generation {expected} to {generation}")
    block = rejected or find_first_block(
        OPERATOR_PLAN_GUARDS if plan.requested_by else TRANSIENT_GUARDS, plan.actions, guard_input
    )
    if block is None and not plan.requested_by:
        affected = (plan.component, *(component for component, _ in plan.verification.targets))
        block = silenced_guard(affected, facts.silenced, plan.actions) or autonomy_guard(
            plan.cause, plan.actions, facts.autonomy
        )
    return None if block is None else Refusal("stale", f"{block.rule}: {block.reason}", block.rule)


def _autonomy_level(plan: Plan, facts: PreflightFacts) -> Level:
    # Trust limits the decisions of the loop, not a plan that an operator requested.
    if plan.requested_by or not plan.actions:
        return Level.AUTO
    return lowest_level(plan.cause, plan.actions, facts.autonomy)


def preflight_storm(
    plan: Plan, analysis_input: AnalysisInput, judgement: Judgement, guards: GuardState, settings: StormSettings
) -> Storm | None:
    """Return the storm the loop is in now, None if it is in none. While the committee is unreadable, no storm ends."""
    current_storm = guards.storm(plan.loop)
    if analysis_input.committee is None:
        return current_storm
    explained = plan.explained_components or (plan.component, *(c for c, _ in plan.verification.targets))
    scope = build_trouble_scope(analysis_input, analysis_input.committee, judgement, explained)
    return next_storm(current_storm, measure_storm(scope), plan.loop, analysis_input.at, settings)


def _build_guard_input(plan: Plan, facts: PreflightFacts) -> GuardInput:
    return GuardInput(
        at=facts.at,
        mode=facts.mode,
        guards=facts.guards,
        committee=facts.state.committee,
        settings=facts.settings,
        policies=facts.state.policies or (),
        loop=plan.loop,
        component_count=facts.component_count,
        cause_key=(plan.cause.value, plan.component),
        plan_id=plan.plan_id,
        storm=facts.storm,
    )


def _check_freshness(plan: Plan, facts: PreflightFacts) -> Refusal | None:
    age = facts.at - plan.created_at
    maximum_age = facts.settings.approval.deadline_seconds + plan.settle + PLAN_AGE_MARGIN_SECONDS
    if age > maximum_age:
        return Refusal("stale", f"decided {age:.0f} s ago, and a plan is valid for {maximum_age:.0f} s")
    violated, blind = facts.state.violated, facts.state.blind
    unreadable = sorted(blind.intersection(REMOTES))
    if unreadable:
        return Refusal("stale", f"{', '.join(unreadable)} cannot be read")
    targets = plan.verification.targets
    blind_targets = sorted({c for c, metric in targets if c in blind and (c, metric) not in violated})
    if blind_targets:
        return Refusal("stale", f"{len(blind_targets)} targets are blind: {', '.join(blind_targets)}")
    if facts.last_generation is None and targets and not violated.intersection(targets):
        return Refusal("recovered", f"none of {len(targets)} violations is left")
    return None
