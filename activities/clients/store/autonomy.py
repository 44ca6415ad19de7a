"""Autonomy: the evidence for the levels, and the shadow decisions that are not scored yet."""

from collections.abc import Iterable

from sqlalchemy import Connection, and_, func, insert, select, update

from activities.clients.store.engine import Database
from activities.clients.store.schema import evidence, shadows
from activities.model.action import ActionType
from activities.model.autonomy import EvidenceKind, ShadowDecision, TrustEvidence
from activities.model.diagnosis import Cause
from activities.model.incident import INCIDENT_QUIET_SECONDS

MAX_EVIDENCE_ROWS = 2000
"""Newest rows of evidence that count for a loop."""


class AutonomyStore:
    """Evidence and shadows of all loops. Times are unix seconds. Every call raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_evidence(self, loop: str) -> tuple[TrustEvidence, ...]:
        """Return the newest evidence of the loop, the oldest first."""
        columns = (evidence.c.plan_id, evidence.c.cause, evidence.c.action, evidence.c.kind, evidence.c.at)
        query = select(*columns).where(evidence.c.loop == loop).order_by(evidence.c.id.desc()).limit(MAX_EVIDENCE_ROWS)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return tuple(TrustEvidence(**row) for row in reversed(rows))

    async def count_unaudited(self, loop: str) -> int:
        """Return how many rows of evidence were not checked for a change of level."""
        query = select(func.count()).where(evidence.c.loop == loop, evidence.c.audited.is_(False))
        return min(await self._database.read(lambda connection: connection.scalar(query) or 0), MAX_EVIDENCE_ROWS)

    async def mark_audited(self, loop: str, count: int) -> None:
        """Mark the oldest `count` of the unaudited rows as checked."""
        is_unaudited = (evidence.c.loop == loop, evidence.c.audited.is_(False))
        oldest = select(evidence.c.id).where(*is_unaudited).order_by(evidence.c.id).limit(count)
        change = update(evidence).where(evidence.c.id.in_(oldest)).values(audited=True)
        await self._database.write(lambda connection: connection.execute(change))

    async def put_shadow(self, shadow: ShadowDecision) -> None:
        """Store a shadow decision, once for each problem: the first is kept while the problem lasts."""
        await self._database.write(lambda connection: _put_shadow(connection, shadow))

    async def load_due_shadows(self, loop: str, now: float) -> tuple[ShadowDecision, ...]:
        """Return the shadow decisions that can be scored at `now`."""
        query = (
            select(shadows.c.body)
            .where(shadows.c.loop == loop, shadows.c.scored.is_(False), shadows.c.due_at <= now)
            .order_by(shadows.c.due_at)
        )
        bodies = await self._database.read(lambda connection: connection.scalars(query).all())
        return tuple(ShadowDecision.model_validate_json(body) for body in bodies)

    async def record_score(self, shadow: ShadowDecision, evidence_kind: EvidenceKind | None, now: float) -> None:
        """Record the score of a shadow decision, None if it cannot be scored. A repeat changes nothing."""

        def work(connection: Connection) -> None:
            is_unscored = (shadows.c.plan_id == shadow.plan_id, shadows.c.scored.is_(False))
            changed = connection.execute(update(shadows).where(*is_unscored).values(scored=True))
            if changed.rowcount and evidence_kind:
                rows = make_evidence(shadow.plan_id, shadow.cause, shadow.actions, evidence_kind, now)
                append_evidence(connection, shadow.loop, rows)

        await self._database.write(work)


def append_evidence(connection: Connection, loop: str, new_evidence: Iterable[TrustEvidence]) -> None:
    """Write rows of evidence, not audited yet."""
    rows = [{"loop": loop, "audited": False, **row.model_dump(mode="json")} for row in new_evidence]
    if rows:
        connection.execute(insert(evidence), rows)


def make_evidence(
    plan_id: str, cause: Cause, actions: Iterable[ActionType], evidence_kind: EvidenceKind, now: float
) -> tuple[TrustEvidence, ...]:
    """Return the evidence of a plan for each type among its actions."""
    return tuple(
        TrustEvidence(plan_id=plan_id, cause=cause, action=a, kind=evidence_kind, at=now) for a in sorted(set(actions))
    )


def _put_shadow(connection: Connection, shadow: ShadowDecision) -> None:
    is_same_problem = (
        shadows.c.loop == shadow.loop,
        shadows.c.knob == shadow.knob,
        shadows.c.cause == shadow.cause,
        shadows.c.component == shadow.component,
    )
    is_recent = shadows.c.last_seen_at >= shadow.at - INCIDENT_QUIET_SECONDS
    for condition in (and_(*is_same_problem, is_recent), shadows.c.plan_id == shadow.plan_id):
        if connection.execute(update(shadows).where(condition).values(last_seen_at=shadow.at)).rowcount:
            return
    row = shadow.model_dump(
        mode="json", include={"plan_id", "loop", "knob", "cause", "component", "last_seen_at", "due_at"}
    )
    connection.execute(insert(shadows).values(**row, scored=False, body=shadow.model_dump_json()))
