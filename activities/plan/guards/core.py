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
from activities.model.guard_state import GuardState
from activities.model.mode import LoopMode, Mode
from activities.monitor.silences import ALL_COMPONENTS
from activities.plan.guards.base import Actions, Guard, GuardInput, make_block
from activities.plan.guards.oscillation import foreign_writer_guard, freeze_guard
from activities.plan.guards.rates import budget_guard, concurrency_guard, reversal_guard
from activities.plan.guards.storm import storm_guard
from activities.plan.guards.windows import freeze_date_guard, window_guard
from activities.plan.settings import PlanSettings


def allowed_actions_guard(actions: Actions, guard_input: GuardInput) -> Block | None:
    """Refuse action types that the settings do not allow."""
    refused = sorted({a.type for a in actions} - set(guard_input.settings.allowed_actions))
    if not refused:
        return None
    return make_block("allowed", actions, f"{', '.join(refused)} not among allowed_actions")


def max_replicas_guard(actions: Actions, guard_input: GuardInput) -> Block | None:
    """Refuse a committee larger than the settings allow."""
    limit = guard_input.settings.max_replicas
    wanted = max((_requested_replicas(a) or 0 for a in actions), default=0)
    return None if wanted <= limit else make_block("max-replicas", actions, f"replicas {wanted} > {limit}")


def quorum_guard(actions: Actions, guard_input: GuardInput) -> Block | None:
    """Refuse what could cost the committee its majority.

    With quorum = n // 2 + 1 of the configured n: no action may leave fewer than quorum + 1 healthy members (a member
    that is already ill costs nothing), the size changes by at most `scale_step`, and the leader is restarted last.
    """
    committee = guard_input.committee
    if committee is None:
        return make_block("quorum", actions, "the committee is not known, so its majority is not either")
    replicas, healthy = committee.replicas, committee.healthy_nodes
    for action in actions:
        before = replicas
        if action.route is Route.SCALE:
            replicas = _requested_replicas(action) or 0
            step = guard_input.settings.scale_step
            if replicas < 1 or abs(replicas - before) > step:
                reason = f"replicas {before} → {replicas}: at most {step} at once, and never 0"
                return make_block("quorum", actions, reason)
        # Whoever leaves is taken to be healthy: Charter chooses, not the loop.
        lost = max(0, before - replicas) + _count_interrupted(action, committee)
        needed = replicas // 2 + 2
        if reason := _format_quorum_shortfall(healthy, lost, needed, replicas):
            return make_block("quorum", actions, reason)
        healthy -= lost
    return _leader_last_guard(actions, committee)


def breaks_quorum(action: Action, committee: Committee, settings: PlanSettings) -> str:
    """Return why the action could cost the committee its majority as it is now, empty if it cannot."""
    mode = Mode(loop="", name=LoopMode.ACT)
    block = quorum_guard((action,), GuardInput(0.0, mode, GuardState(), committee, settings))
    return block.reason if block else ""


def rollback_breaks_quorum(replicas: int, committee: Committee) -> str:
    """Return why going back to so many replicas could cost the committee its majority now, empty if it cannot.

    As `quorum` says, but for two things: a way back may be longer than `scale_step`, which may have changed since, and
    a committee too small to have quorum + 1 has to keep all its members healthy.
    """
    lost, healthy = max(0, committee.replicas - replicas), committee.healthy_nodes
    needed = min(replicas // 2 + 2, replicas)
    reason = _format_quorum_shortfall(healthy, lost, needed, replicas)
    return f"quorum: {reason}" if reason else ""


def mode_guard(actions: Actions, guard_input: GuardInput) -> Block | None:
    """Refuse to act unless the loop's mode is act."""
    present = guard_input.mode
    if present.name is LoopMode.ACT:
        return None
    if present.by_kill_switch:
        return make_block("kill-switch", actions, present.reason)
    since = f" since {present.at:.0f}" if present.at else ""
    return make_block("mode", actions, f"mode {present.name}{since} {present.reason}".rstrip())


def quarantine_guard(actions: Actions, guard_input: GuardInput) -> Block | None:
    """Refuse a knob whose rollback failed, until a person releases it."""
    guard = guard_input.guards.knob(actions[0].knob)
    if not guard.quarantined:
        return None
    return make_block("quarantine", actions, f"quarantined until a person resumes it: {guard.quarantine_reason}")


def cool_down_guard(actions: Actions, guard_input: GuardInput) -> Block | None:
    """Refuse a knob that rests; at the very end of the rest it is free."""
    guard = guard_input.guards.knob(actions[0].knob)
    left = guard.cooldown_until - guard_input.at
    if left <= 0:
        return None
    return make_block("cool-down", actions, f"rests for another {left:.0f} s: {guard.cooldown_reason}")


def unsettled_guard(actions: Actions, guard_input: GuardInput) -> Block | None:
    """Refuse a knob on which another plan stands, or may stand, that no outcome answers for.

    Whoever builds upon it takes away the way back: its rollback would be refused. Its remediation settles it, or upkeep
    if that was terminated.
    """
    other = guard_input.guards.unsettled_on(actions[0].knob)
    if other is None:
        return None
    age = max(0.0, guard_input.at - other.since)
    return make_block(
        "unsettled", actions, f"plan {other.plan_id}, {age:.0f} s old, was sent to Charter and is not settled"
    )


def confidence_guard(root: RootCause, diagnosis: Diagnosis, actions: Actions, min_confidence: float) -> Block | None:
    """Refuse to act upon a diagnosis, or a cause in it, that is believed less than `least`.

    What was learned does not count here: a cause that is doubted since then is put before a person (`doubted`), so that
    the loop neither acts upon its doubt nor goes silent and learns no more.
    """
    if diagnosis.confidence < min_confidence:
        return make_block(
            "confidence", actions, f"overall confidence {diagnosis.confidence:.2f} < {min_confidence:.2f}"
        )
    if root.prior_confidence < min_confidence:
        return make_block(
            "confidence", actions, f"confidence in {root.cause} {root.prior_confidence:.2f} < {min_confidence:.2f}"
        )
    return None


def is_low_confidence(root: RootCause, min_confidence: float) -> bool:
    """Tell whether outcomes made less than `least` of the confidence in a cause."""
    return root.confidence < min_confidence


def silenced_guard(affected: Iterable[str], silenced: tuple[str, ...], actions: Actions) -> Block | None:
    """Refuse to act against a cause whose component, or one of those suffering from it, a person has silenced."""
    hushed = set(affected).intersection(silenced)
    if ALL_COMPONENTS not in silenced and not hushed:
        return None
    what = ", ".join(sorted(hushed)) or "it cannot be told what"
    return make_block("silenced", actions, f"{what} is silenced at Alertmanager: observed only")


PERMANENT_GUARDS: tuple[Guard, ...] = (allowed_actions_guard, max_replicas_guard, quorum_guard)
TRANSIENT_GUARDS: tuple[Guard, ...] = (
    quarantine_guard,
    unsettled_guard,
    storm_guard,
    freeze_guard,
    foreign_writer_guard,
    cool_down_guard,
    reversal_guard,
    budget_guard,
    concurrency_guard,
    freeze_date_guard,
    window_guard,
    mode_guard,
)
"""The graver ones first: of several that refuse, the first one is named."""
OPERATOR_PLAN_GUARDS: tuple[Guard, ...] = (quarantine_guard, unsettled_guard)
"""Of the passing ones what holds for a plan a person asked for: nothing that only guards against the loop itself."""
PRE_SEND_GUARDS: tuple[Guard, ...] = (
    allowed_actions_guard,
    max_replicas_guard,
    *(rule for rule in TRANSIENT_GUARDS if rule is not foreign_writer_guard),
)
"""What is asked once more before each step is sent. The knob's generation fences what only Charter could tell."""


def find_first_block(guards: tuple[Guard, ...], actions: Actions, guard_input: GuardInput) -> Block | None:
    """Return the block of the first rule that refuses the actions (at least one, all on one knob), or None."""
    return next((block for rule in guards if (block := rule(actions, guard_input)) is not None), None)


def _requested_replicas(action: Action) -> int | None:
    wanted = action.parameters.get("replicas")
    return wanted if isinstance(wanted, int) and action.route is Route.SCALE else None


def _format_quorum_shortfall(healthy: int, lost: int, needed: int, replicas: int) -> str:
    if not lost or healthy - lost >= needed:
        return ""
    return f"{healthy} healthy − {lost} < {needed} (quorum of {replicas}, plus 1)"


def _count_interrupted(action: Action, committee: Committee) -> int:
    if action.type is not ActionType.RESTART_SERVICE:
        return 0
    named = action.parameters.get("member")
    known = {member.name: member for member in committee.members}
    if named in known:
        return int(known[named].healthy)
    # A name outside a known committee is a service, which has no vote; all members go one after the other.
    return 0 if named is not None and known else 1


def _leader_last_guard(actions: Actions, committee: Committee) -> Block | None:
    restarted = {a.parameters.get("member") for a in actions if a.type is ActionType.RESTART_SERVICE}
    leads = any(member.leader and member.name in restarted for member in committee.members)
    ill = [m.name for m in committee.members if not m.healthy and m.name not in restarted]
    if not leads or not ill:
        return None
    return make_block("quorum", actions, f"the leader goes last: {len(ill)} other members are ill ({', '.join(ill)})")
