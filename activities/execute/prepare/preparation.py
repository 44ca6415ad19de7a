"""The last look before anything is changed: is this still the plan that was decided, and is it still right?

Nothing of the plan is believed that can be computed again: its hash, its id, its knob, its risk, its need of
approval. What the worker's own configuration refuses is `rejected` (the rung is used up); what the world made wrong
since the decision is `stale` (the next cycle plans afresh); violations that are gone make it `recovered`.
"""

from dataclasses import dataclass
from typing import NamedTuple

from activities.execute.settings import ExecuteSettings, ExecutionMode
from activities.execute.verify.verification import span
from activities.model.autonomy import Autonomy, Level
from activities.model.charter import Committee, Policy
from activities.model.guards import GuardState
from activities.model.mode import Mode
from activities.model.plan import Plan, Risk, plan_hash
from activities.model.remediation import Prepared, Step
from activities.model.snapshot import AnalysisInput
from activities.model.storm import Storm
from activities.model.types import clipped
from activities.monitor.judgement import Judged
from activities.monitor.visibility import REMOTES
from activities.plan.autonomy import held, level_of
from activities.plan.guards.base import Conditions
from activities.plan.guards.core import LASTING, PASSING, REQUESTED, first_block, silence
from activities.plan.guards.rates import careful
from activities.plan.guards.settings import StormSettings
from activities.plan.guards.storm import following, scene_of, weigh
from activities.plan.knobs import generation_of
from activities.plan.risk import needs_approval, risk_of
from activities.plan.settings import PlanSettings

LATE = 3600.0
"""Seconds a plan may be older than an approval may take: what held up its worker so long changed the world too."""
OWN_RULES = frozenset({"allowed", "max-replicas"})
"""Guards that only the configuration can refuse by: the state of the committee is fenced by its generation."""


@dataclass(frozen=True)
class Facts:
    """What is seen just before the apply, at `at` (unix seconds), and the worker's own settings.

    `committee` and `policies` are None when Charter cannot be read. `components` is how many there are. `violated` are
    the (component, metric) pairs violated now, `blind` the components that cannot be judged. `approved`: a person said
    yes to this very plan. `standing` are steps (from 0) that were sent to Charter before and that nobody answers for;
    `left` is the generation the last of them known to be done left the knob at, None if there is none: a remediation
    that was reset finds its own work. `ended` is how the plan ended before, after it had changed something; else empty.
    `storm` is the storm the loop is in now, `silenced` are components that may only be observed, "*" all of them.
    `autonomy` is how far the actions are trusted now, `error_budget` what is left of it, None if it is not asked.
    """

    at: float
    mode: Mode
    guards: GuardState
    committee: Committee | None
    policies: tuple[Policy, ...] | None
    components: int
    violated: frozenset[tuple[str, str]]
    blind: frozenset[str]
    settings: PlanSettings
    execute: ExecuteSettings
    autonomy: Autonomy
    approved: bool = False
    standing: frozenset[int] = frozenset()
    left: int | None = None
    ended: str = ""
    storm: Storm | None = None
    silenced: tuple[str, ...] = ()
    error_budget: float | None = None


class Refusal(NamedTuple):
    """Why a plan is not applied: the ending it gets, the reason, and the guard's rule if a guard refuses it."""

    ending: str
    why: str
    rule: str = ""


def check(plan: Plan, facts: Facts) -> Prepared:
    """Return whether the plan may be applied now; `ending` says why not (rejected, stale, recovered).

    What of it is done already is part of the present it is checked against, and needs nobody's approval again.
    """
    ending, why, rule = _forged(plan) or _refused(plan, facts) or _overtaken(plan, facts) or Refusal("", "")
    what = " then ".join(action.text for action in plan.actions)
    risk = risk_of(plan.actions, facts.components) if plan.actions else plan.risk
    level = _level(plan, facts)
    answered = facts.approved or facts.left is not None
    suggested = (
        level is Level.SUGGEST
        or plan.doubted
        or needs_approval(plan.actions, risk, facts.settings.approval)
        or careful(plan.actions, facts.error_budget, facts.settings.error_budget)
    )
    asked = not ending and not answered and suggested
    trust = ("" if level is Level.AUTO else f", {level}") + (", doubted" if plan.doubted else "")
    return Prepared(
        headline=clipped(f"{ending}: {why}" if ending else f"ready, risk {risk}{trust}: {what}"),
        ending=ending,
        needs_approval=asked,
        deadline=facts.settings.approval.deadline_seconds,
        generation=plan.generation,
        steps=tuple(Step(text=a.text, standing=i in facts.standing) for i, a in enumerate(plan.actions)),
        timeout=facts.execute.timeout_seconds,
        retries=facts.execute.max_retries,
        span=span(plan.verification),
        transactional=facts.execute.execution_mode is ExecutionMode.TRANSACTIONAL,
        requested_by=plan.requested_by,
        risky=risk is not Risk.LOW,
        blocked_by=rule,
        loop=plan.loop,
    )


def _forged(plan: Plan) -> Refusal | None:
    expected = plan_hash(plan.incident_id, plan.rung, plan.generation, plan.actions)
    if plan.hash != expected or plan.plan_id != expected[:12]:
        return Refusal("rejected", f"tampered: plan {plan.plan_id} has the content of {expected[:12]}")
    if not plan.actions or any(action.knob != plan.knob for action in plan.actions):
        return Refusal("rejected", f"tampered: its actions do not all change {plan.knob}")
    return None


def _refused(plan: Plan, facts: Facts) -> Refusal | None:
    if facts.ended:
        return Refusal("stale", f"it has ended before: {facts.ended}")
    if facts.committee is None or facts.policies is None:
        return Refusal("stale", "Charter cannot be read, so nothing can be checked")
    conditions = _conditions(plan, facts)
    present = generation_of(plan.knob, facts.committee, facts.policies)
    rejected = first_block(LASTING, plan.actions, conditions)
    if rejected is not None and rejected.rule in OWN_RULES:
        return Refusal("rejected", f"{rejected.rule}: {rejected.reason}", rejected.rule)
    expected = plan.generation if facts.left is None else facts.left
    if present != expected:
        return Refusal("stale", f"{plan.knob} moved from generation {expected} to {present}")
    block = rejected or first_block(REQUESTED if plan.requested_by else PASSING, plan.actions, conditions)
    if block is None and not plan.requested_by:
        suffering = (plan.component, *(component for component, _ in plan.verification.targets))
        block = silence(suffering, facts.silenced, plan.actions) or held(plan.cause, plan.actions, facts.autonomy)
    return None if block is None else Refusal("stale", f"{block.rule}: {block.reason}", block.rule)


def _level(plan: Plan, facts: Facts) -> Level:
    # What a person asks for is not the loop's idea, and is not held back by how far that is trusted.
    if plan.requested_by or not plan.actions:
        return Level.AUTO
    return level_of(plan.cause, plan.actions, facts.autonomy)


def storm_now(
    plan: Plan, source: AnalysisInput, judged: Judged, guards: GuardState, settings: StormSettings
) -> Storm | None:
    """Return the storm the loop is in now, None if it is in none; who cannot see the committee leaves none."""
    standing = guards.storm(plan.loop)
    if source.committee is None:
        return standing
    leading = plan.leading or (plan.component, *(c for c, _ in plan.verification.targets))
    scene = scene_of(source, source.committee, judged, leading)
    return following(standing, weigh(scene), plan.loop, source.at, settings)


def _conditions(plan: Plan, facts: Facts) -> Conditions:
    return Conditions(
        at=facts.at,
        mode=facts.mode,
        guards=facts.guards,
        committee=facts.committee,
        settings=facts.settings,
        policies=facts.policies or (),
        loop=plan.loop,
        components=facts.components,
        trouble=(plan.cause.value, plan.component),
        plan_id=plan.plan_id,
        storm=facts.storm,
    )


def _overtaken(plan: Plan, facts: Facts) -> Refusal | None:
    age, most = facts.at - plan.created_at, facts.settings.approval.deadline_seconds + plan.settle + LATE
    if age > most:
        return Refusal("stale", f"decided {age:.0f} s ago, more than the {most:.0f} s a decision holds")
    remote = sorted(facts.blind.intersection(REMOTES))
    if remote:
        return Refusal("stale", f"nothing can be seen of {', '.join(remote)}")
    targets = plan.verification.targets
    unseen = sorted({c for c, metric in targets if c in facts.blind and (c, metric) not in facts.violated})
    if unseen:
        return Refusal("stale", f"{len(unseen)} targets cannot be judged any more: {', '.join(unseen)}")
    if facts.left is None and targets and not facts.violated.intersection(targets):
        return Refusal("recovered", f"none of {len(targets)} violations is left")
    return None
