"""The last look before anything is changed: is this still the plan that was decided, and is it still right?

Nothing of the plan is believed that can be computed again: its hash, its id, its knob, its risk, its need of
approval. What the worker's own configuration refuses is `rejected` (the rung is used up); what the world made wrong
since the decision is `stale` (the next cycle plans afresh); violations that are gone make it `recovered`.
"""

from dataclasses import dataclass

from activities.execute.settings import ExecuteSettings, ExecutionMode
from activities.execute.verification import span
from activities.model.autonomy import Autonomy, Level
from activities.model.base import clipped
from activities.model.charter import Committee, Policy
from activities.model.guards import GuardState
from activities.model.mode import Mode
from activities.model.plan import Plan, plan_hash
from activities.model.remediation import Prepared, Step
from activities.monitor.sight import REMOTES
from activities.plan.autonomy import held, level_of
from activities.plan.guards import LASTING, PASSING, REQUESTED, Conditions, first_block
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
    `autonomy` is how far the actions are trusted now.
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


def check(plan: Plan, facts: Facts) -> Prepared:
    """Return whether the plan may be applied now; `ending` says why not (rejected, stale, recovered).

    What of it is done already is part of the present it is checked against, and needs nobody's approval again.
    """
    ending, why = _forged(plan) or _refused(plan, facts) or _overtaken(plan, facts) or ("", "")
    what = " then ".join(action.text for action in plan.actions)
    risk = risk_of(plan.actions, facts.components) if plan.actions else plan.risk
    level = _level(plan, facts)
    answered = facts.approved or facts.left is not None
    suggested = level is Level.SUGGEST or needs_approval(plan.actions, risk, facts.settings.approval)
    asked = not ending and not answered and suggested
    trust = "" if level is Level.AUTO else f", {level}"
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
    )


def _forged(plan: Plan) -> tuple[str, str] | None:
    expected = plan_hash(plan.incident_id, plan.rung, plan.generation, plan.actions)
    if plan.hash != expected or plan.plan_id != expected[:12]:
        return "rejected", f"tampered: plan {plan.plan_id} has the content of {expected[:12]}"
    if not plan.actions or any(action.knob != plan.knob for action in plan.actions):
        return "rejected", f"tampered: its actions do not all change {plan.knob}"
    return None


def _refused(plan: Plan, facts: Facts) -> tuple[str, str] | None:
    if facts.ended:
        return "stale", f"it has ended before: {facts.ended}"
    if facts.committee is None or facts.policies is None:
        return "stale", "Charter cannot be read, so nothing can be checked"
    conditions = Conditions(facts.at, facts.mode, facts.guards, facts.committee, facts.settings)
    present = generation_of(plan.knob, facts.committee, facts.policies)
    rejected = first_block(LASTING, plan.actions, conditions)
    if rejected is not None and rejected.rule in OWN_RULES:
        return "rejected", f"{rejected.rule}: {rejected.reason}"
    expected = plan.generation if facts.left is None else facts.left
    if present != expected:
        return "stale", f"{plan.knob} moved from generation {expected} to {present}"
    block = rejected or first_block(REQUESTED if plan.requested_by else PASSING, plan.actions, conditions)
    if block is None and not plan.requested_by:
        block = held(plan.cause, plan.actions, facts.autonomy)
    return None if block is None else ("stale", f"{block.rule}: {block.reason}")


def _level(plan: Plan, facts: Facts) -> Level:
    # What a person asks for is not the loop's idea, and is not held back by how far that is trusted.
    if plan.requested_by or not plan.actions:
        return Level.AUTO
    return level_of(plan.cause, plan.actions, facts.autonomy)


def _overtaken(plan: Plan, facts: Facts) -> tuple[str, str] | None:
    age, most = facts.at - plan.created_at, facts.settings.approval.deadline_seconds + plan.settle + LATE
    if age > most:
        return "stale", f"decided {age:.0f} s ago, more than the {most:.0f} s a decision holds"
    remote = sorted(facts.blind.intersection(REMOTES))
    if remote:
        return "stale", f"nothing can be seen of {', '.join(remote)}"
    targets = plan.verification.targets
    unseen = sorted({c for c, metric in targets if c in facts.blind and (c, metric) not in facts.violated})
    if unseen:
        return "stale", f"{len(unseen)} targets cannot be judged any more: {', '.join(unseen)}"
    if facts.left is None and targets and not facts.violated.intersection(targets):
        return "recovered", f"none of {len(targets)} violations is left"
    return None
