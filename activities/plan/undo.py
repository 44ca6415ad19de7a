"""An operator's undo: a plan that moves the knob back to its state before an earlier plan."""

from collections.abc import Sequence
from dataclasses import dataclass

from activities.model.action import COMMITTEE, Action, ActionType, Inverse
from activities.model.charter import Committee, Policy
from activities.model.diagnosis import Cause
from activities.model.effect import Direction, Effect
from activities.model.errors import NotFound, Superseded
from activities.model.incident import compute_incident_id
from activities.model.plan import Plan, compute_plan_hash
from activities.model.types import truncate
from activities.plan.knobs import knob_generation
from activities.plan.risk import compute_risk, risk_requires_approval
from activities.plan.settings import ApprovalSettings


@dataclass(frozen=True)
class UndoContext:
    """The state at `at` (unix seconds): Charter, the components, the operator who requests the undo."""

    at: float
    actor: str
    committee: Committee
    policies: tuple[Policy, ...]
    components: tuple[str, ...]
    approval: ApprovalSettings


def build_undo_plan(plan: Plan, effects: Sequence[Effect], context: UndoContext) -> Plan:
    """Return the plan that moves the knob of `plan` back to its state before the `effects`.

    Its verification only requires that no component gets worse: the purpose is known to the operator alone.

    Raises:
        NotFound: The plan has no effect that can be undone, or it is undone already.
        Superseded: The knob has moved since; the undo would revert a newer change.
    """
    done = _find_undoable_effects(plan, effects)
    generation = knob_generation(plan.knob, context.committee, context.policies)
    last_generation = max(effect.generation for effect in effects)
    if generation != last_generation:
        moved = f"{plan.knob} moved from generation {last_generation} to {generation}"
        raise Superseded(f"{moved} since plan {plan.plan_id}; undo the newer change first")
    actions = tuple(_inverse_action(plan.actions[effect.step], effect, context.committee) for effect in reversed(done))
    incident_id = compute_incident_id(plan.charter, plan.knob, context.at)
    plan_hash = compute_plan_hash(incident_id, 0, generation, actions)
    risk = compute_risk(actions, len(context.components))
    changes = {
        "plan_id": plan_hash[:12],
        "hash": plan_hash,
        "incident_id": incident_id,
        "rung": 0,
        "cause": Cause.UNKNOWN,
        "onset": context.at,
        "generation": generation,
        "actions": actions,
        "created_at": context.at,
        "settle": 0.0,
        "verification": plan.verification.model_copy(
            update={"targets": (), "neighbours": context.components, "baseline_count": 0, "preexisting": ()}
        ),
        "risk": risk,
        "needs_approval": risk_requires_approval(actions, risk, context.approval),
        "headline": truncate(f"undo of plan {plan.plan_id}: {' then '.join(action.summary for action in actions)}"),
        "requested_by": context.actor,
        "evidence_patterns": (),
        "low_confidence": False,
    }
    return plan.model_copy(update=changes)


def _find_undoable_effects(plan: Plan, effects: Sequence[Effect]) -> list[Effect]:
    undone = {effect.step for effect in effects if effect.direction is Direction.UNDO}
    done = [effect for effect in effects if effect.direction is Direction.DO and effect.step not in undone]
    undoable = [effect for effect in done if plan.actions[effect.step].inverse is not Inverse.NONE]
    if not undoable:
        raise NotFound(f"plan {plan.plan_id} has no effect that can be undone")
    return sorted(undoable, key=lambda effect: effect.step)


def _inverse_action(action: Action, effect: Effect, committee: Committee) -> Action:
    if action.knob != COMMITTEE:
        return Action(type=action.type, component=action.component, policy=action.policy, rollback_of=effect.policy_id)
    replicas = effect.previous_replicas()
    kind = ActionType.SCALE_DOWN if replicas < committee.replicas else ActionType.SCALE_UP
    return Action(type=kind, parameters={"replicas": replicas})
