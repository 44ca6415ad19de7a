"""The guard rails: rules that keep an action from being done, each answering with numbers.

Most are asked when a plan is chosen, when it is prepared, and before each of its steps is sent (`UNDER_WAY`); of a
plan that a person asked for only `REQUESTED` of the passing ones. Two kinds differ in what follows. A *lasting* block
(allowed, max-replicas, quorum) will not go away by waiting, so the ladder passes the rung over. A *passing* block (a
rest, a budget, a storm, a window) only says "not now", and climbing on would punish the rung for it. That a remediation
is running on the knob is no rule here: its workflow id is the lock.
"""

from collections.abc import Iterable

from activities.model.action import Action, ActionType, Route
from activities.model.charter import Committee
from activities.model.decision import Block
from activities.model.diagnosis import Diagnosis, RootCause
from activities.model.guards import GuardState
from activities.model.mode import Mode, ModeName
from activities.monitor.silences import EVERYTHING
from activities.plan.guards.base import Actions, Conditions, Rule, blocked
from activities.plan.guards.oscillation import foreign, frozen
from activities.plan.guards.rates import budget, concurrency, reverse
from activities.plan.guards.storm import storm
from activities.plan.guards.windows import freeze_date, window
from activities.plan.settings import PlanSettings


def allowed(actions: Actions, conditions: Conditions) -> Block | None:
    """Refuse action types that the settings do not allow."""
    refused = sorted({a.type for a in actions} - set(conditions.settings.allowed_actions))
    if not refused:
        return None
    return blocked("allowed", actions, f"{', '.join(refused)} not among allowed_actions")


def max_replicas(actions: Actions, conditions: Conditions) -> Block | None:
    """Refuse a committee larger than the settings allow."""
    limit = conditions.settings.max_replicas
    wanted = max((_replicas(a) or 0 for a in actions), default=0)
    return None if wanted <= limit else blocked("max-replicas", actions, f"replicas {wanted} > {limit}")


def quorum(actions: Actions, conditions: Conditions) -> Block | None:
    """Refuse what could cost the committee its majority.

    With quorum = n // 2 + 1 of the configured n: no action may leave fewer than quorum + 1 healthy members (a member
    that is already ill costs nothing), the size changes by at most `scale_step`, and the leader is restarted last.
    """
    committee = conditions.committee
    if committee is None:
        return blocked("quorum", actions, "the committee is not known, so its majority is not either")
    replicas, healthy = committee.replicas, committee.healthy_nodes
    for action in actions:
        before = replicas
        if action.route is Route.SCALE:
            replicas = _replicas(action) or 0
            step = conditions.settings.scale_step
            if replicas < 1 or abs(replicas - before) > step:
                reason = f"replicas {before} → {replicas}: at most {step} at once, and never 0"
                return blocked("quorum", actions, reason)
        # Whoever leaves is taken to be healthy: Charter chooses, not the loop.
        lost = max(0, before - replicas) + _interrupted(action, committee)
        needed = replicas // 2 + 2
        if reason := _too_few(healthy, lost, needed, replicas):
            return blocked("quorum", actions, reason)
        healthy -= lost
    return _leader_last(actions, committee)


def costs_quorum(action: Action, committee: Committee, settings: PlanSettings) -> str:
    """Return why the action could cost the committee its majority as it is now, empty if it cannot."""
    mode = Mode(loop="", name=ModeName.ACT)
    block = quorum((action,), Conditions(0.0, mode, GuardState(), committee, settings))
    return block.reason if block else ""


def way_back_costs_quorum(replicas: int, committee: Committee) -> str:
    """Return why going back to so many replicas could cost the committee its majority now, empty if it cannot.

    As `quorum` says, but for two things: a way back may be longer than `scale_step`, which may have changed since, and
    a committee too small to have quorum + 1 has to keep all its members healthy.
    """
    lost, healthy = max(0, committee.replicas - replicas), committee.healthy_nodes
    needed = min(replicas // 2 + 2, replicas)
    reason = _too_few(healthy, lost, needed, replicas)
    return f"quorum: {reason}" if reason else ""


def mode(actions: Actions, conditions: Conditions) -> Block | None:
    """Refuse to act unless the loop's mode is act."""
    present = conditions.mode
    if present.name is ModeName.ACT:
        return None
    if present.switched:
        return blocked("kill-switch", actions, present.why)
    since = f" since {present.at:.0f}" if present.at else ""
    return blocked("mode", actions, f"mode {present.name}{since} {present.why}".rstrip())


def quarantine(actions: Actions, conditions: Conditions) -> Block | None:
    """Refuse a knob whose rollback failed, until a person releases it."""
    guard = conditions.guards.knob(actions[0].knob)
    if not guard.quarantined:
        return None
    return blocked("quarantine", actions, f"quarantined until a person resumes it: {guard.quarantine_why}")


def cool_down(actions: Actions, conditions: Conditions) -> Block | None:
    """Refuse a knob that rests; at the very end of the rest it is free."""
    guard = conditions.guards.knob(actions[0].knob)
    left = guard.cooldown_until - conditions.at
    if left <= 0:
        return None
    return blocked("cool-down", actions, f"rests for another {left:.0f} s: {guard.cooldown_why}")


def unsettled(actions: Actions, conditions: Conditions) -> Block | None:
    """Refuse a knob on which another plan stands, or may stand, that no outcome answers for.

    Whoever builds upon it takes away the way back: its rollback would be refused. Its remediation settles it, or upkeep
    if that was terminated.
    """
    other = conditions.guards.standing(actions[0].knob)
    if other is None:
        return None
    age = max(0.0, conditions.at - other.since)
    return blocked(
        "unsettled", actions, f"plan {other.plan_id}, {age:.0f} s old, was sent to Charter and is not settled"
    )


def confidence(root: RootCause, diagnosis: Diagnosis, actions: Actions, least: float) -> Block | None:
    """Refuse to act upon a diagnosis, or a cause in it, that is believed less than `least`.

    What was learned does not count here: a cause that is doubted since then is put before a person (`doubted`), so that
    the loop neither acts upon its doubt nor goes silent and learns no more.
    """
    if diagnosis.confidence < least:
        return blocked("confidence", actions, f"overall confidence {diagnosis.confidence:.2f} < {least:.2f}")
    if root.at_first < least:
        return blocked("confidence", actions, f"confidence in {root.cause} {root.at_first:.2f} < {least:.2f}")
    return None


def doubted(root: RootCause, least: float) -> bool:
    """Tell whether outcomes made less than `least` of the confidence in a cause."""
    return root.confidence < least


def silence(suffering: Iterable[str], silenced: tuple[str, ...], actions: Actions) -> Block | None:
    """Refuse to act against a cause whose component, or one of those suffering from it, a person has silenced."""
    hushed = set(suffering).intersection(silenced)
    if EVERYTHING not in silenced and not hushed:
        return None
    what = ", ".join(sorted(hushed)) or "it cannot be told what"
    return blocked("silenced", actions, f"{what} is silenced at Alertmanager: observed only")


LASTING: tuple[Rule, ...] = (allowed, max_replicas, quorum)
PASSING: tuple[Rule, ...] = (
    quarantine,
    unsettled,
    storm,
    frozen,
    foreign,
    cool_down,
    reverse,
    budget,
    concurrency,
    freeze_date,
    window,
    mode,
)
"""The graver ones first: of several that refuse, the first one is named."""
REQUESTED: tuple[Rule, ...] = (quarantine, unsettled)
"""Of the passing ones what holds for a plan a person asked for: nothing that only guards against the loop itself."""
UNDER_WAY: tuple[Rule, ...] = (allowed, max_replicas, *(rule for rule in PASSING if rule is not foreign))
"""What is asked once more before each step is sent. The knob's generation fences what only Charter could tell."""


def first_block(rules: tuple[Rule, ...], actions: Actions, conditions: Conditions) -> Block | None:
    """Return the block of the first rule that refuses the actions (at least one, all on one knob), or None."""
    return next((block for rule in rules if (block := rule(actions, conditions)) is not None), None)


def _replicas(action: Action) -> int | None:
    wanted = action.parameters.get("replicas")
    return wanted if isinstance(wanted, int) and action.route is Route.SCALE else None


def _too_few(healthy: int, lost: int, needed: int, replicas: int) -> str:
    if not lost or healthy - lost >= needed:
        return ""
    return f"{healthy} healthy − {lost} < {needed} (quorum of {replicas}, plus 1)"


def _interrupted(action: Action, committee: Committee) -> int:
    if action.type is not ActionType.RESTART_SERVICE:
        return 0
    named = action.parameters.get("member")
    known = {member.name: member for member in committee.members}
    if named in known:
        return int(known[named].healthy)
    # A name outside a known committee is a service, which has no vote; all members go one after the other.
    return 0 if named is not None and known else 1


def _leader_last(actions: Actions, committee: Committee) -> Block | None:
    restarted = {a.parameters.get("member") for a in actions if a.type is ActionType.RESTART_SERVICE}
    leads = any(member.leader and member.name in restarted for member in committee.members)
    ill = [m.name for m in committee.members if not m.healthy and m.name not in restarted]
    if not leads or not ill:
        return None
    return blocked("quorum", actions, f"the leader goes last: {len(ill)} other members are ill ({', '.join(ill)})")
