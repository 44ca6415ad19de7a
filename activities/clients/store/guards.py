"""Guards: what blocks a knob now, the open incidents, and the modes of the loops."""

from collections.abc import Callable

from sqlalchemy import Connection, bindparam, delete, exists, or_, select

from activities.clients.store import audit, incidents, outcomes, remediations
from activities.clients.store.engine import Database, upsert
from activities.clients.store.schema import knobs, modes, storms
from activities.model.audit import AuditEntry, AuditKind
from activities.model.decision import Block
from activities.model.guard_state import GuardState, KnobGuard
from activities.model.history import RemediationRecord
from activities.model.incident import Incident, IncidentTotals, KnobProblem, Rung
from activities.model.mode import Mode
from activities.model.storm import Storm


class GuardStore:
    """The guards of all Charters. Times are unix seconds. Every call raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_state(self, charter: str, now: float) -> GuardState:
        """Return the guards of a Charter at `now`.

        They are the knobs with a cool-down, a quarantine or a release, the open incidents with their rungs, the
        remediations that started within the last day, and the loops in storm mode.
        """
        return await self._database.read(lambda connection: _load_state(connection, charter, now))

    async def try_begin(
        self, charter: str, remediation: RemediationRecord, check_guards: Callable[[GuardState], Block | None]
    ) -> Block | None:
        """Record that a remediation starts, unless `check_guards` blocks it; return the block.

        Check and record are one transaction: of two that start together, the second one reads the first.
        """

        def work(connection: Connection) -> Block | None:
            block = check_guards(_load_state(connection, charter, remediation.started_at))
            if block is None:
                remediations.begin(connection, charter, remediation)
            return block

        return await self._database.write(work)

    async def load_storm(self, loop: str) -> Storm | None:
        """Return the storm of the loop, None if the loop is not in storm mode."""
        query = select(storms.c.body).where(storms.c.loop == loop)
        body = await self._database.read(lambda connection: connection.scalar(query))
        return None if body is None else Storm.model_validate_json(body)

    async def set_storm(self, charter: str, loop: str, storm: Storm | None, now: float) -> None:
        """Set the storm of a loop, or end it with None. Entering and leaving write one audit row each."""

        def work(connection: Connection) -> None:
            body = connection.scalar(select(storms.c.body).where(storms.c.loop == loop))
            current_storm = None if body is None else Storm.model_validate_json(body)
            if storm is not None:
                upsert(connection, storms, {"loop": loop}, {"charter": charter, "body": storm.model_dump_json()})
                if current_storm is None:
                    append_change(connection, f"entered: {storm.reason}")
            elif current_storm is not None:
                connection.execute(delete(storms).where(storms.c.loop == loop))
                append_change(connection, f"left after {now - current_storm.since:.0f} s")

        def append_change(connection: Connection, summary: str) -> None:
            audit.append(connection, AuditEntry(at=now, kind=AuditKind.STORM, loop=loop, summary=summary))

        await self._database.write(work)

    async def open_incident(self, problem: KnobProblem) -> Incident:
        """Return the knob's open incident, opened if there is none. An open incident keeps its onset."""
        return await self._database.write(lambda connection: incidents.open_or_get(connection, problem))

    async def start_rung(self, problem: KnobProblem, rung: Rung, requested_at: float) -> Incident:
        """Record that a plan starts, and return the knob's incident, opened if there is none.

        The same plan is one rung, however often it starts. An outcome without an applied step is withdrawn, because
        the plan starts again. `requested_at` is the time of the request by Temporal's clock.

        Raises:
            Superseded: the plan ended after the request. The request was delayed, and the outcome is final.
        """

        def work(connection: Connection) -> Incident:
            outcomes.withdraw(connection, rung.plan_id, requested_at)
            return incidents.start_rung(connection, problem, rung)

        return await self._database.write(work)

    async def touch_incident(self, charter: str, knob: str, at: float) -> None:
        """Record that the violations of the knob's open incident still held at `at`, if it has one."""
        await self._database.write(lambda c: incidents.touch_incident(c, charter, knob, at))

    async def close_quiet(self, charter: str, before: float) -> int:
        """Close, as of `before`, incidents last seen earlier without a running rung; return how many."""
        return await self._database.write(lambda c: incidents.close_quiet(c, charter, before))

    async def load_closed_totals(self, charter: str) -> IncidentTotals:
        """Return the number of closed incidents of the Charter, and their durations."""
        return await self._database.read(lambda connection: incidents.load_closed_totals(connection, charter))

    async def release(self, charter: str, knob: str, actor: str, reason: str, now: float) -> bool:
        """Release a quarantined knob, so that no change to it before `now` freezes it. The audit records the actor.

        Return False, and change nothing, if the knob is not quarantined and was not changed within the last day.
        """

        def work(connection: Connection) -> bool:
            is_held = (knobs.c.charter == charter, knobs.c.knob == knob, knobs.c.quarantined.is_(True))
            recent_loops = [r.loop for r in remediations.load_recent(connection, charter, now) if r.knob == knob]
            loop = connection.scalar(select(knobs.c.loop).where(*is_held)) or next(reversed(recent_loops), None)
            if loop is None:
                return False
            values = {"loop": loop, "quarantined": False, "quarantine_reason": "", "released_at": now}
            upsert(connection, knobs, {"charter": charter, "knob": knob}, values)
            row = AuditEntry(at=now, kind=AuditKind.QUARANTINE, loop=loop, knob=knob, summary=f"released: {reason}")
            audit.append(connection, row.model_copy(update={"actor": actor}))
            return True

        return await self._database.write(work)

    async def load_mode(self, loop: str) -> Mode | None:
        """Return the mode of the loop as last set, None if it was never set."""
        body = await self._database.read(lambda c: c.scalar(select(modes.c.body).where(modes.c.loop == loop)))
        return None if body is None else Mode.model_validate_json(body)

    async def set_mode(self, mode: Mode) -> None:
        """Set the mode of a loop, with an audit row."""

        def work(connection: Connection) -> None:
            upsert(connection, modes, {"loop": mode.loop}, {"body": mode.model_dump_json()})
            entry = AuditEntry(at=mode.at, kind=AuditKind.MODE, loop=mode.loop, actor=mode.actor, summary=mode.summary)
            audit.append(connection, entry)

        await self._database.write(work)


def quarantine(connection: Connection, charter: str, knob: str, loop: str, reason: str) -> None:
    """Quarantine the knob."""
    values = {"loop": loop, "quarantined": True, "quarantine_reason": reason}
    upsert(connection, knobs, {"charter": charter, "knob": knob}, values)


def ensure_quarantined(connection: Connection, charter: str, knob: str, entry: AuditEntry) -> None:
    """Quarantine the knob after the end of its plan, for the reason in `entry`. A repeat does nothing."""
    is_held = exists().where(knobs.c.charter == charter, knobs.c.knob == knob, knobs.c.quarantined.is_(True))
    if not connection.scalar(select(is_held)):
        quarantine(connection, charter, knob, entry.loop, entry.summary)
        audit.append(connection, entry.model_copy(update={"kind": AuditKind.QUARANTINE}))


def extend_cool_down(connection: Connection, charter: str, guard: KnobGuard, loop: str) -> None:
    """Set the cool-down of the knob, unless the present one lasts longer."""
    key = {"charter": charter, "knob": guard.knob}
    present_until = connection.scalar(
        select(knobs.c.cooldown_until).where(knobs.c.charter == charter, knobs.c.knob == guard.knob)
    )
    if guard.cool_down_until > (present_until or 0.0):
        values = {"loop": loop, "cooldown_until": guard.cool_down_until, "cooldown_reason": guard.cool_down_reason}
        upsert(connection, knobs, key, values)


_HAS_GUARD = or_(knobs.c.quarantined.is_(True), knobs.c.cooldown_until > 0, knobs.c.released_at > 0)
_SELECT_KNOBS = select(knobs).where(knobs.c.charter == bindparam("charter"), _HAS_GUARD).order_by(knobs.c.knob)
_SELECT_STORMS = select(storms.c.body).where(storms.c.charter == bindparam("charter")).order_by(storms.c.loop)


def _load_state(connection: Connection, charter: str, now: float) -> GuardState:
    knob_rows = connection.execute(_SELECT_KNOBS, {"charter": charter}).mappings()
    bodies = connection.scalars(_SELECT_STORMS, {"charter": charter})
    return GuardState(
        knobs=tuple(KnobGuard(**row) for row in knob_rows),
        incidents=incidents.load_open_incidents(connection, charter),
        recent_remediations=remediations.load_recent(connection, charter, now),
        storms=tuple(Storm.model_validate_json(body) for body in bodies),
    )
