"""The check before a plan is applied: it is unaltered, no guard refuses it, and its problem still exists.

Hash, id, knob, risk and need of approval are computed again, not read from the plan. A plan that this worker's
configuration refuses is `rejected` (its rung is used up). A plan that the present state refuses is `stale` (the next
cycle plans again). A plan without any violation left is `recovered`.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from activities.execute.settings import ExecuteSettings, ExecutionMode
from activities.execute.verify.verification import verification_duration
from activities.model.autonomy import Autonomy, Level
from activities.model.guard_rule import GuardRule
from activities.model.guard_state import GuardState
from activities.model.mode import Mode
from activities.model.plan import Plan, Risk, compute_plan_hash
from activities.model.remediation import PrepareResult, Step
from activities.model.remediation_outcome import RemediationOutcome
from activities.model.storm import Storm
from activities.model.types import truncate
from activities.monitor.current_state import CurrentState
from activities.monitor.visibility import REMOTES
from activities.plan.autonomy import lowest_level
from activities.plan.guards.base import GuardInput
from activities.plan.guards.rates import error_budget_requires_approval
from activities.plan.guards.table import GUARD_BY_RULE, Clearance, Stage, find_block
from activities.plan.knobs import knob_generation
from activities.plan.risk import compute_risk, risk_requires_approval
from activities.plan.settings import PlanSettings

PLAN_AGE_MARGIN_SECONDS = 3600.0
"""Seconds a plan stays valid beyond the approval deadline. After a longer delay the decision is out of date."""


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
        return Refusal(RemediationOutcome.REJECTED, f"tampered: plan {plan.plan_id} hashes to {expected[:12]}")
    if not plan.actions or any(action.knob != plan.knob for action in plan.actions):
        return Refusal(RemediationOutcome.REJECTED, f"tampered: its actions do not all change {plan.knob}")
    return None


def _check_guards(plan: Plan, facts: PreflightFacts) -> Refusal | None:
    if facts.previous_outcome:
        return Refusal(RemediationOutcome.STALE, f"the plan ended before: {facts.previous_outcome}")
    state = facts.state
    if state.committee is None or state.policies is None:
        return Refusal(RemediationOutcome.STALE, "Charter cannot be read: committee and policies are unknown")
    guard_input = _build_guard_input(plan, facts)
    generation = knob_generation(plan.knob, state.committee, state.policies)
    block = find_block(Stage.PREPARE, plan.actions, guard_input)
    if block and GUARD_BY_RULE[GuardRule(block.rule)].clearance is Clearance.SETTINGS:
        return Refusal(RemediationOutcome.REJECTED, f"{block.rule}: {block.reason}", block.rule)
    expected = plan.generation if facts.last_generation is None else facts.last_generation
    if generation != expected:
        return Refusal(RemediationOutcome.STALE, f"{plan.knob} moved from generation {expected} to {generation}")
    return None if block is None else Refusal(RemediationOutcome.STALE, f"{block.rule}: {block.reason}", block.rule)


def _autonomy_level(plan: Plan, facts: PreflightFacts) -> Level:
    # Trust limits the decisions of the loop, not a plan that an operator requested.
    if plan.requested_by or not plan.actions:
        return Level.AUTO
    return lowest_level(plan.cause, plan.actions, facts.autonomy)


def _build_guard_input(plan: Plan, facts: PreflightFacts) -> GuardInput:
    return replace(
        GuardInput.of_plan(plan, facts.mode, facts.guards, facts.settings, facts.at),
        committee=facts.state.committee,
        policies=facts.state.policies or (),
        component_count=facts.component_count,
        storm=facts.storm,
        silenced=facts.silenced,
        autonomy=facts.autonomy,
    )


def _check_freshness(plan: Plan, facts: PreflightFacts) -> Refusal | None:
    age = facts.at - plan.created_at
    maximum_age = facts.settings.approval.deadline_seconds + plan.settle + PLAN_AGE_MARGIN_SECONDS
    if age > maximum_age:
        return Refusal(RemediationOutcome.STALE, f"decided {age:.0f} s ago, a plan is valid for {maximum_age:.0f} s")
    violated, blind = facts.state.violated, facts.state.blind
    unreadable = sorted(blind.intersection(REMOTES))
    if unreadable:
        return Refusal(RemediationOutcome.STALE, f"{', '.join(unreadable)} cannot be read")
    targets = plan.verification.targets
    blind_targets = sorted({c for c, metric in targets if c in blind and (c, metric) not in violated})
    if blind_targets:
        return Refusal(RemediationOutcome.STALE, f"{len(blind_targets)} targets are blind: {', '.join(blind_targets)}")
    if facts.last_generation is None and targets and not violated.intersection(targets):
        return Refusal(RemediationOutcome.RECOVERED, f"none of {len(targets)} violations is left")
    return None
