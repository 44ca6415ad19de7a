"""Plans, the decisions that made them, and the effects of their steps at Charter."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, and_, exists, insert, or_, select

from activities.clients.store.engine import Database, upsert
from activities.clients.store.schema import audit, decisions, effects, outcomes, plans
from activities.model.audit import AuditKind
from activities.model.decision import Decision
from activities.model.effect import Direction, Effect
from activities.model.errors import NotFound, Rejected, Superseded
from activities.model.plan import Plan

_HAS_OUTCOME = exists().where(outcomes.c.plan_id == plans.c.plan_id)
_HAS_ATTEMPT = exists().where(audit.c.plan_id == plans.c.plan_id, audit.c.kind == AuditKind.ATTEMPT)
_HAS_EFFECT = exists().where(effects.c.plan_id == plans.c.plan_id, effects.c.direction == Direction.DO)
_STARTED_WITHOUT_OUTCOME = and_(~_HAS_OUTCOME, or_(_HAS_ATTEMPT, _HAS_EFFECT))

MAX_UNSETTLED_PLANS = 100
"""Maximum number of plans listed."""


class PlanStore:
    """The plans of all loops. Every call raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, plan: Plan, now: float) -> Plan:
        """Store the plan, and return the plan stored under its id.

        A repeat returns the plan stored first, with its times, so that requests to Charter keep their bytes.

        Raises:
            Rejected: the id belongs to a plan with another hash.
        """
        return await self._database.write(lambda connection: _put_plan(connection, plan, now))

    async def get(self, plan_id: str) -> Plan:
        """Return the plan. Raises: NotFound."""
        body = await self._database.read(lambda c: c.scalar(select(plans.c.body).where(plans.c.plan_id == plan_id)))
        if body is None:
            raise NotFound(f"no plan {plan_id}")
        return Plan.model_validate_json(body)

    async def load_cycle_id(self, plan_id: str) -> str:
        """Return the id of the cycle that made the plan. Raises: NotFound."""
        return (await self.get(plan_id)).cycle_id

    async def put_decision(self, cycle_id: str, loop: str, at: float, decision: Decision, snapshot: str) -> None:
        """Store the decision of a cycle and the digest of its snapshot; a second decision replaces the first."""
        values = {"loop": loop, "at": at, "snapshot": snapshot, "body": decision.model_dump_json()}
        await self._database.write(lambda c: upsert(c, decisions, {"cycle_id": cycle_id}, values))

    async def load_decision(self, cycle_id: str) -> Decision | None:
        """Return the decision of the cycle, None if it made none."""
        query = select(decisions.c.body).where(decisions.c.cycle_id == cycle_id)
        body = await self._database.read(lambda c: c.scalar(query))
        return None if body is None else Decision.model_validate_json(body)

    async def put_effect(self, effect: Effect) -> Effect:
        """Store the effect of a step, and return the first of the same plan, step and direction.

        An effect of a plan that already has an outcome is marked `late`.
        """
        return await self._database.write(lambda connection: _put_effect(connection, effect))

    async def refresh_request_time(self, effect: Effect, requested_at: float) -> None:
        """Record a new request for a stored effect: an end of the plan from before `requested_at` is then refused."""
        refreshed = effect.model_copy(update={"requested_at": requested_at})
        await self._database.write(lambda connection: _replace_effect(connection, refreshed))

    async def load_effects(self, plan_id: str) -> tuple[Effect, ...]:
        """Return the effects of the plan's steps, the oldest first."""
        return await self._database.read(lambda connection: load_effects(connection, plan_id))

    async def load_unresolved(self, charter: str, own_changes: Collection[tuple[str, int]] = ()) -> tuple[Plan, ...]:
        """Return the plans that may be applied at this Charter and that no outcome covers, the oldest first.

        They are plans that were tried and have no outcome, and plans with an outcome that does not cover a step of
        `own_changes`: the (plan id, step) of our changes that Charter shows. A plan among them that no remediation
        holds was left half applied.
        """

        def work(connection: Connection) -> Sequence[str]:
            late = {plan_id for plan_id, _ in set(own_changes) - _find_recorded(connection, own_changes)}
            is_unresolved = or_(_STARTED_WITHOUT_OUTCOME, and_(_HAS_OUTCOME, plans.c.plan_id.in_(late)))
            query = select(plans.c.body).where(plans.c.charter == charter, is_unresolved).order_by(plans.c.at)
            return connection.scalars(query).all()

        return _parse_plans(await self._database.read(work))

    async def load_unsettled(self, loop: str) -> tuple[Plan, ...]:
        """Return the newest 100 plans of the loop without an outcome, started or not, the newest first."""
        query = select(plans.c.body).where(plans.c.loop == loop, ~_HAS_OUTCOME)
        query = query.order_by(plans.c.at.desc()).limit(MAX_UNSETTLED_PLANS)
        return _parse_plans(await self._database.read(lambda c: c.scalars(query).all()))


def require_not_resumed(connection: Connection, plan_id: str, ended_at: float) -> None:
    """Refuse the end of a plan whose stored steps were requested again later.

    `ended_at` is by Temporal's clock, 0 in old histories.

    Raises:
        Superseded: a step was requested after `ended_at`.
    """
    newest_request = max((effect.requested_at for effect in load_effects(connection, plan_id)), default=0.0)
    if 0.0 < ended_at < newest_request:
        raise Superseded(
            f"plan {plan_id} continued: a step was requested {newest_request - ended_at:.1f} s after this end"
        )


def mark_late(connection: Connection, plan_id: str, steps: Collection[int]) -> None:
    """Mark the effects of these steps that were not undone: they came after the remediation's last check."""
    plan_effects = load_effects(connection, plan_id) if steps else ()
    applied = set(steps) - {effect.step for effect in plan_effects if effect.direction is Direction.UNDO}
    for effect in plan_effects:
        if effect.direction is Direction.DO and effect.step in applied:
            _replace_effect(connection, effect.model_copy(update={"late": True}))


def load_effects(connection: Connection, plan_id: str) -> tuple[Effect, ...]:
    """Return the effects of the plan's steps, the oldest first."""
    bodies = connection.scalars(
        select(effects.c.body)
        .where(effects.c.plan_id == plan_id)
        .order_by(effects.c.at, effects.c.direction, effects.c.step)
    )
    return tuple(Effect.model_validate_json(body) for body in bodies)


def _effect_key(effect: Effect) -> dict[str, Any]:
    return {"plan_id": effect.plan_id, "step": effect.step, "direction": effect.direction}


def _replace_effect(connection: Connection, effect: Effect) -> None:
    upsert(connection, effects, _effect_key(effect), {"at": effect.at, "body": effect.model_dump_json()})


def _parse_plans(bodies: Sequence[str]) -> tuple[Plan, ...]:
    return tuple(Plan.model_validate_json(body) for body in bodies)


def _find_recorded(connection: Connection, own_changes: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
    """Return the (plan id, step) that an outcome covers: undone, or applied in time."""
    has_change = effects.c.plan_id.in_({plan_id for plan_id, _ in own_changes})
    bodies = connection.scalars(select(effects.c.body).where(has_change, effects.c.direction != Direction.BEFORE))
    changes = map(Effect.model_validate_json, bodies)
    return {(c.plan_id, c.step) for c in changes if c.direction is Direction.UNDO or not c.late}


def _put_plan(connection: Connection, plan: Plan, now: float) -> Plan:
    body = connection.scalar(select(plans.c.body).where(plans.c.plan_id == plan.plan_id))
    if body is None:
        row = {name: getattr(plan, name) for name in ("plan_id", "hash", "loop", "charter")}
        connection.execute(insert(plans).values(**row, at=now, body=plan.model_dump_json()))
        return plan
    stored_plan = Plan.model_validate_json(body)
    if stored_plan.hash != plan.hash:
        raise Rejected(f"plan {plan.plan_id} is already stored with another hash: {stored_plan.hash[:12]}")
    return stored_plan


def _put_effect(connection: Connection, effect: Effect) -> Effect:
    key = _effect_key(effect)
    body = connection.scalar(select(effects.c.body).where(*(effects.c[name] == value for name, value in key.items())))
    if body is not None:
        return Effect.model_validate_json(body)
    has_outcome = exists().where(outcomes.c.plan_id == effect.plan_id)
    if effect.direction is Direction.DO and connection.scalar(select(has_outcome)):
        # An abandoned attempt that resumed after the end. Only this transaction can decide it without a race.
        effect = effect.model_copy(update={"late": True})
    connection.execute(insert(effects).values(**key, at=effect.at, body=effect.model_dump_json()))
    return effect
