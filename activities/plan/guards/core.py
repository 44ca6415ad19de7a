"""The guards that need neither history nor a calendar: permission, size, quorum, confidence, mode, cool-down, trust."""

from collections.abc import Iterable

from activities.model.action import Action, MemberEffect
from activities.model.charter import Committee, required_healthy_members
from activities.model.diagnosis import RootCause
from activities.model.mode import LoopMode
from activities.monitor.silences import ALL_COMPONENTS
from activities.plan.guards.base import Actions, GuardInput
from activities.plan.settings import PlanSettings


def allowed_actions_guard(actions: Actions, guard_input: GuardInput) -> str:
    """Refuse action types that the settings do not allow."""
    refused = sorted({action.type for action in actions} - set(guard_input.settings.allowed_actions))
    return f"{', '.join(refused)} not among allowed_actions" if refused else ""


def max_replicas_guard(actions: Actions, guard_input: GuardInput) -> str:
    """Refuse a committee larger than the settings allow."""
    limit = guard_input.settings.max_replicas
    requested = max((_requested_replicas(action) or 0 for action in actions), default=0)
    return f"replicas {requested} > {limit}" if requested > limit else ""


def quorum_guard(actions: Actions, guard_input: GuardInput) -> str:
    """Refuse actions that could cost the committee its majority; an unknown committee refuses all."""
    committee = guard_input.committee
    if committee is None:
        return "the committee is unknown, so its majority is unknown too"
    return breaks_quorum(actions, committee, guard_input.settings)


def breaks_quorum(actions: Iterable[Action], committee: Committee, settings: PlanSettings) -> str:
    """Return why the actions could cost the committee its majority, empty if they cannot.

    No action may leave fewer than `required_healthy_members`. A member that is unhealthy already costs nothing. The
    size changes by at most `scale_step`. The leader is restarted last.
    """
    actions = tuple(actions)
    replicas, healthy = committee.replicas, committee.healthy_nodes
    for action in actions:
        before = replicas
        if action.member_effect is MemberEffect.RESIZES:
            replicas = _requested_replicas(action) or 0
            step = settings.scale_step
            if replicas < 1 or abs(replicas - before) > step:
                return f"replicas {before} → {replicas}: at most {step} in one change, and never 0"
        # Charter chooses which member leaves, so the loop assumes a healthy one.
        lost = max(0, before - replicas) + _count_interrupted(action, committee)
        if reason := _format_quorum_shortfall(healthy, lost, required_healthy_members(replicas), replicas):
            return reason
        healthy -= lost
    return _leader_restart_risk(actions, committee)


def rollback_breaks_quorum(replicas: int, committee: Committee) -> str:
    """Return why a rollback to so many replicas could cost the committee its majority now, empty if it cannot.

    Unlike in `breaks_quorum`, a rollback may be longer than `scale_step`: the setting may have changed since. A
    committee too small for quorum + 1 must keep all its members healthy.
    """
    lost = max(0, committee.replicas - replicas)
    required = min(required_healthy_members(replicas), replicas)
    reason = _format_quorum_shortfall(committee.healthy_nodes, lost, required, replicas)
    return f"quorum: {reason}" if reason else ""


def confidence_guard(_: Actions, guard_input: GuardInput) -> str:
    """Refuse to act upon a diagnosis, or a cause in it, with a confidence below `min_confidence`.

    The confidence of the cause is compared before outcomes lowered it. If only outcomes lowered it, an operator must
    approve the plan instead (`is_low_confidence`): the loop does not act on its own, and still learns from the result.
    """
    minimum, root = guard_input.settings.min_confidence, guard_input.root
    if guard_input.confidence < minimum:
        return f"overall confidence {guard_input.confidence:.2f} < {minimum:.2f}"
    if root.prior_confidence < minimum:
        return f"confidence in {root.cause} {root.prior_confidence:.2f} < {minimum:.2f}"
    return ""


def is_low_confidence(root: RootCause, min_confidence: float) -> bool:
    """Return whether outcomes lowered the confidence in a cause below `min_confidence`."""
    return root.confidence < min_confidence


def quarantine_guard(actions: Actions, guard_input: GuardInput) -> str:
    """Refuse a knob whose rollback failed, until an operator releases it."""
    knob = guard_input.guards.knob(actions[0].knob)
    return f"quarantined until an operator resumes it: {knob.quarantine_reason}" if knob.quarantined else ""


def unsettled_guard(actions: Actions, guard_input: GuardInput) -> str:
    """Refuse a knob on which another plan is, or may be, applied without a recorded outcome.

    A second change on the knob would make the rollback of the first one impossible. The remediation of the first plan
    ends this block when it records an outcome. Upkeep does so for a remediation that was terminated.
    """
    other = guard_input.guards.unsettled_on(actions[0].knob)
    if other is None:
        return ""
    age = max(0.0, guard_input.at - other.since)
    return f"plan {other.plan_id}, {age:.0f} s old, was sent to Charter and is not settled"


def cool_down_guard(actions: Actions, guard_input: GuardInput) -> str:
    """Refuse a knob during its cool-down; at the last second the knob is free."""
    knob = guard_input.guards.knob(actions[0].knob)
    remaining = knob.cool_down_until - guard_input.at
    return f"cools down for another {remaining:.0f} s: {knob.cool_down_reason}" if remaining > 0 else ""


def kill_switch_guard(_: Actions, guard_input: GuardInput) -> str:
    """Refuse to act while the kill switch is on."""
    return guard_input.mode.reason if guard_input.mode.by_kill_switch else ""


def mode_guard(_: Actions, guard_input: GuardInput) -> str:
    """Refuse to act unless the loop's mode is act."""
    mode = guard_input.mode
    if mode.name is LoopMode.ACT:
        return ""
    since = f" since {mode.at:.0f}" if mode.at else ""
    return f"mode {mode.name}{since} {mode.reason}".rstrip()


def silenced_guard(_: Actions, guard_input: GuardInput) -> str:
    """Refuse to act against a cause whose component, or an affected one, is silenced at Alertmanager."""
    root, silenced = guard_input.root, guard_input.silenced
    affected = {root.component, *(component for component, _ in root.violated_pairs)}
    names = ", ".join(sorted(affected.intersection(silenced)))
    if not names and ALL_COMPONENTS not in silenced:
        return ""
    return f"{names or 'every component, or an unknown one,'} is silenced at Alertmanager: observed only"


def _requested_replicas(action: Action) -> int | None:
    replicas = action.parameters.get("replicas")
    return replicas if isinstance(replicas, int) and action.member_effect is MemberEffect.RESIZES else None


def _format_quorum_shortfall(healthy: int, lost: int, needed: int, replicas: int) -> str:
    if not lost or healthy - lost >= needed:
        return ""
    return f"{healthy} healthy − {lost} < {needed} (quorum of {replicas}, plus 1)"


def _count_interrupted(action: Action, committee: Committee) -> int:
    if action.member_effect is not MemberEffect.INTERRUPTS:
        return 0
    member = action.interrupted_member
    members = {member.name: member for member in committee.members}
    if member in members:
        return int(members[member].healthy)
    # A name outside a known committee is a service, which has no vote. Without a name all members restart one by one.
    return 0 if member is not None and members else 1


def _leader_restart_risk(actions: Actions, committee: Committee) -> str:
    restarted = {a.interrupted_member for a in actions if a.member_effect is MemberEffect.INTERRUPTS}
    restarts_leader = any(member.leader and member.name in restarted for member in committee.members)
    unhealthy = [m.name for m in committee.members if not m.healthy and m.name not in restarted]
    if not restarts_leader or not unhealthy:
        return ""
    return f"the leader is restarted last: {len(unhealthy)} other members are unhealthy ({', '.join(unhealthy)})"
