"""The last look before anything is changed: is this still the plan that was decided, and is it still right?

Nothing of the plan is believed that can be computed again: its hash, its id, its knob, its risk, its need of
approval. What the worker's own configuration refuses is `rejected` (the rung is used up); what the world made wrong
since the decision is `stale` (the next cycle plans afresh); violations that are gone make it `recovered`.
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
"""Seconds a plan may be older than an approval may take: what held up its worker so long changed the world too."""
CONFIG_ONLY_RULES = frozenset({"allowed", "max-replicas"})
"""Guards that only the configuration can refuse by: the state of the committee is fenced by its generation."""


@dataclass(frozen=True)
class PreflightFacts:
    """What is seen just before the apply, at `at` (unix seconds), and the worker's own settings.

    `component_count` is how many components there are. `approved`: a person said
    yes to this very plan. `standing` are steps (from 0) that were sent to Charter before and that nobody answers for;
    `left` is the generation the last of them known to be done left the knob at, None if there is none: a remediation
    that was reset finds its own work. `ended` is how the plan ended before, after it had changed something; else empty.
    `storm` is the storm the loop is in now, `silenced` are components that may only be observed, "*" all of them.
    `autonomy` is how far the actions are trusted now, `error_budget` what is left of it, None if it is not asked.
    """

    at: float
    mode: Mode
    guards: GuardState
    state: CurrentState
    component_count: int
    settings: PlanSettings
    execute: ExecuteSettings
    autonomy: Autonomy
    approved: bool = False
    unresolved: frozenset[int] = frozenset()
    last_generation: int | None = None
    previous_outcome: str = ""
    storm: Storm | None = None
    silenced: tuple[str, ...] = ()
    error_budget: float | None = None


class Refusal(NamedTuple):
    """Why a plan is not applied: the ending it gets, the reason, and the guard's rule if a guard refuses it."""

    outcome: str
    reason: str
    rule: str = ""


def preflight_check(plan: Plan, facts: PreflightFacts) -> PrepareResult:
    """Return whether the plan may be applied now; `ending` says why not (rejected, stale, recovered).

    What of it is done already is part of the present it is checked against, and needs nobody's approval again.
    """
    ending, why, rule = (
        _check_integrity(plan) or _check_guards(plan, facts) or _check_freshness(plan, facts) or Refusal("", "")
    )
    what = " then ".join(action.summary for action in plan.actions)
    risk = compute_risk(plan.actions, facts.component_count) if plan.actions else plan.risk
    level = _autonomy_level(plan, facts)
    answered = facts.approved or facts.last_generation is not None
    suggested = (
        level is Level.SUGGEST
        or plan.low_confidence
        or risk_requires_approval(plan.actions, risk, facts.settings.approval)
        or error_budget_requires_approval(plan.actions, facts.error_budget, facts.settings.error_budget)
    )
    asked = not ending and not answered and suggested
    trust = ("" if level is Level.AUTO else f", {level}") + (", doubted" if plan.low_confidence else "")
    return PrepareResult(
        headline=truncate(f"{ending}: {why}" if ending else f"ready, risk {risk}{trust}: {what}"),
        outcome=ending,
        needs_approval=asked,
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
        return Refusal("rejected", f"tampered: plan {plan.plan_id} has the content of {expected[:12]}")
    if not plan.actions or any(action.knob != plan.knob for action in plan.actions):
        return Refusal("rejected", f"tampered: its actions do not all change {plan.knob}")
    return None


def _check_guards(plan: Plan, facts: PreflightFacts) -> Refusal | None:
    if facts.previous_outcome:
        return Refusal("stale", f"it has ended before: {facts.previous_outcome}")
    state = facts.state
    if state.committee is None or state.policies is None:
        return Refusal("stale", "Charter cannot be read, so nothing can be checked")
    conditions = _build_guard_input(plan, facts)
    present = knob_generation(plan.knob, state.committee, state.policies)
    rejected = find_first_block(PERMANENT_GUARDS, plan.actions, conditions)
    if rejected is not None and rejected.rule in CONFIG_ONLY_RULES:
        return Refusal("rejected", f"{rejected.rule}: {rejected.reason}", rejected.rule)
    expected = plan.generation if facts.last_generation is None else facts.last_generation
    if present != expected:
        return Refusal("stale", f"{plan.knob} moved from generation {expected} to {present}")
    block = rejected or find_first_block(
        OPERATOR_PLAN_GUARDS if plan.requested_by else TRANSIENT_GUARDS, plan.actions, conditions
    )
    if block is None and not plan.requested_by:
        suffering = (plan.component, *(component for component, _ in plan.verification.targets))
        block = silenced_guard(suffering, facts.silenced, plan.actions) or autonomy_guard(
            plan.cause, plan.actions, facts.autonomy
        )
    return None if block is None else Refusal("stale", f"{block.rule}: {block.reason}", block.rule)


def _autonomy_level(plan: Plan, facts: PreflightFacts) -> Level:
    # What a person asks for is not the loop's idea, and is not held back by how far that is trusted.
    if plan.requested_by or not plan.actions:
        return Level.AUTO
    return lowest_level(plan.cause, plan.actions, facts.autonomy)


def preflight_storm(
    plan: Plan, analysis_input: AnalysisInput, judgement: Judgement, guards: GuardState, settings: StormSettings
) -> Storm | None:
    """Return the storm the loop is in now, None if it is in none; who cannot see the committee leaves none."""
    standing = guards.storm(plan.loop)
    if analysis_input.committee is None:
        return standing
    leading = plan.explained_components or (plan.component, *(c for c, _ in plan.verification.targets))
    scene = build_trouble_scope(analysis_input, analysis_input.committee, judgement, leading)
    return next_storm(standing, measure_storm(scene), plan.loop, analysis_input.at, settings)


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
    age, most = (
        facts.at - plan.created_at,
        facts.settings.approval.deadline_seconds + plan.settle + PLAN_AGE_MARGIN_SECONDS,
    )
    if age > most:
        return Refusal("stale", f"decided {age:.0f} s ago, more than the {most:.0f} s a decision holds")
    remote = sorted(facts.state.blind.intersection(REMOTES))
    if remote:
        return Refusal("stale", f"nothing can be seen of {', '.join(remote)}")
    targets = plan.verification.targets
    unseen = sorted({c for c, metric in targets if c in facts.state.blind and (c, metric) not in facts.state.violated})
    if unseen:
        return Refusal("stale", f"{len(unseen)} targets cannot be judged any more: {', '.join(unseen)}")
    if facts.last_generation is None and targets and not facts.state.violated.intersection(targets):
        return Refusal("recovered", f"none of {len(targets)} violations is left")
    return None
