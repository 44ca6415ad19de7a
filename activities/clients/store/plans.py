"""Plans, the decisions they came of, and what their steps did at Charter."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, and_, exists, insert, or_, select

from activities.clients.store.engine import Database, upsert
from activities.clients.store.schema import audit, decisions, effects, outcomes, plans
from activities.model.decision import Decision
from activities.model.effect import Direction, Effect
from activities.model.errors import NotFound, Rejected, Superseded
from activities.model.plan import Plan

ATTEMPT_KIND = "attempt"
"""The audit's kind of a call that changes Charter."""
_HAS_OUTCOME = exists().where(outcomes.c.plan_id == plans.c.plan_id)
_HAS_ATTEMPT = exists().where(audit.c.plan_id == plans.c.plan_id, audit.c.kind == ATTEMPT_KIND)
_HAS_EFFECT = exists().where(effects.c.plan_id == plans.c.plan_id, effects.c.direction == Direction.DO)
_STARTED_WITHOUT_OUTCOME = and_(~_HAS_OUTCOME, or_(_HAS_ATTEMPT, _HAS_EFFECT))

MAX_UNSETTLED_PLANS = 100
"""Plans listed at most."""


class PlanStore:
    """The plans of all loops. Every call raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, plan: Plan, now: float) -> Plan:
        """Store the plan and return what stands under its id.

        The same plan again changes nothing: the one stored first stands, with its times, so that what is sent to
        Charter stays the same bytes. Raises: Rejected (the id stands for another hash).
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
        """Store what a cycle decided and the digest it decided upon; a cycle that decides again replaces it."""
        values = {"loop": loop, "at": at, "snapshot": snapshot, "body": decision.model_dump_json()}
        await self._database.write(lambda c: upsert(c, decisions, {"cycle_id": cycle_id}, values))

    async def load_decision(self, cycle_id: str) -> Decision | None:
        """Return what the cycle decided, None if it did not come to that."""
        query = select(decisions.c.body).where(decisions.c.cycle_id == cycle_id)
        body = await self._database.read(lambda c: c.scalar(query))
        return None if body is None else Decision.model_validate_json(body)

    async def put_effect(self, effect: Effect) -> Effect:
        """Store what a step did and return what stands: the first of the same plan, step and direction.

        What is done when the plan has an outcome already is marked `late`.
        """
        return await self._database.write(lambda connection: _put_effect(connection, effect))

    async def refresh_request_time(self, effect: Effect, requested_at: float) -> None:
        """Note that a stored effect was asked for anew: whoever was to end its plan before that comes too late."""
        claimed = effect.model_copy(update={"requested_at": requested_at})
        await self._database.write(lambda connection: _replace_effect(connection, claimed))

    async def load_effects(self, plan_id: str) -> tuple[Effect, ...]:
        """Return what the plan's steps did, the oldest first."""
        query = (
            select(effects.c.body)
            .where(effects.c.plan_id == plan_id)
            .order_by(effects.c.at, effects.c.direction, effects.c.step)
        )
        bodies = await self._database.read(lambda c: c.scalars(query).all())
        return tuple(Effect.model_validate_json(body) for body in bodies)

    async def load_unresolved(self, charter: str, own_changes: Collection[tuple[str, int]] = ()) -> tuple[Plan, ...]:
        """Return the plans that may stand at this Charter and that no outcome answers for, the oldest first.

        Those tried that have no outcome, and those with one that had not heard of a step which Charter shows as done:
        `shown` holds (plan id, step) of what it shows. What no remediation holds among them was left half applied.
        """

        def work(connection: Connection) -> Sequence[str]:
            late = {plan_id for plan_id, _ in set(own_changes) - _find_recorded(connection, own_changes)}
            unanswered = or_(_STARTED_WITHOUT_OUTCOME, and_(_HAS_OUTCOME, plans.c.plan_id.in_(late)))
            query = select(plans.c.body).where(plans.c.charter == charter, unanswered).order_by(plans.c.at)
            return connection.scalars(query).all()

        return _parse_plans(await self._database.read(work))

    async def load_unsettled(self, loop: str) -> tuple[Plan, ...]:
        """Return the newest 100 plans of the loop that have no outcome, whether begun or not, the newest first."""
        query = select(plans.c.body).where(plans.c.loop == loop, ~_HAS_OUTCOME)
        query = query.order_by(plans.c.at.desc()).limit(MAX_UNSETTLED_PLANS)
        return _parse_plans(await self._database.read(lambda c: c.scalars(query).all()))


def require_not_resumed(connection: Connection, plan_id: str, ended_at: float) -> None:
    """Refuse an ending (`ended` by Temporal's clock, 0 in old ones) of a plan whose stored steps were asked for since.

    Raises: Superseded.
    """
    if 0.0 < ended_at < max((effect.requested_at for effect in _load_effects(connection, plan_id)), default=0.0):
        raise Superseded(f"plan {plan_id} went on after it was to end")


def mark_late(connection: Connection, plan_id: str, steps: Collection[int]) -> None:
    """Mark what was done of these steps and not undone: it came after its remediation had looked for it."""
    known = _load_effects(connection, plan_id) if steps else ()
    standing = set(steps) - {effect.step for effect in known if effect.direction is Direction.UNDO}
    for effect in known:
        if effect.direction is Direction.DO and effect.step in standing:
            _replace_effect(connection, effect.model_copy(update={"late": True}))


def _load_effects(connection: Connection, plan_id: str) -> list[Effect]:
    bodies = connection.scalars(select(effects.c.body).where(effects.c.plan_id == plan_id))
    return [Effect.model_validate_json(body) for body in bodies]


def _effect_key(effect: Effect) -> dict[str, Any]:
    return {"plan_id": effect.plan_id, "step": effect.step, "direction": effect.direction}


def _replace_effect(connection: Connection, effect: Effect) -> None:
    upsert(connection, effects, _effect_key(effect), {"at": effect.at, "body": effect.model_dump_json()})


def _parse_plans(bodies: Sequence[str]) -> tuple[Plan, ...]:
    return tuple(Plan.model_validate_json(body) for body in bodies)


def _find_recorded(connection: Connection, own_changes: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
    """Return (plan id, step) of what was done or undone by its own plan's remediation."""
    theirs = effects.c.plan_id.in_({plan_id for plan_id, _ in own_changes})
    bodies = connection.scalars(select(effects.c.body).where(theirs, effects.c.direction != Direction.BEFORE))
    known = map(Effect.model_validate_json, bodies)
    return {(effect.plan_id, effect.step) for effect in known if effect.direction is Direction.UNDO or not effect.late}


def _put_plan(connection: Connection, plan: Plan, now: float) -> Plan:
    stored = connection.scalar(select(plans.c.body).where(plans.c.plan_id == plan.plan_id))
    if stored is None:
        row = {name: getattr(plan, name) for name in ("plan_id", "hash", "loop", "charter")}
        connection.execute(insert(plans).values(**row, at=now, body=plan.model_dump_json()))
        return plan
    standing = Plan.model_validate_json(stored)
    if standing.hash != plan.hash:
        raise Rejected(f"plan {plan.plan_id} is stored with another hash")
    return standing


def _put_effect(connection: Connection, effect: Effect) -> Effect:
    key = _effect_key(effect)
    stored = connection.scalar(select(effects.c.body).where(*(effects.c[name] == value for name, value in key.items())))
    if stored is not None:
        return Effect.model_validate_json(stored)
    ended = select(outcomes.c.plan_id).where(outcomes.c.plan_id == effect.plan_id)
    if effect.direction is Direction.DO and connection.scalar(ended) is not None:
        # An attempt that was given up, and woke after the end: told apart here, where nobody can come between.
        effect = effect.model_copy(update={"late": True})
    connection.execute(insert(effects).values(**key, at=effect.at, body=effect.model_dump_json()))
    return effect
