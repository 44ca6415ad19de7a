"""Guards: what keeps a knob from being touched now, the open incidents, and the loops' modes."""

from collections.abc import Callable

from sqlalchemy import Connection, bindparam, delete, exists, or_, select

from activities.clients.store import audit, incidents, outcomes, remediations
from activities.clients.store.engine import Database, upsert
from activities.clients.store.schema import knobs, modes, storms
from activities.model.audit import AuditEntry
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
        """Return what guards the knobs of a Charter at `now`.

        The knobs that ever had a cool-down, are quarantined or were released, the open incidents with their rungs, the
        remediations that began within the last day, and the loops in storm mode.
        """
        return await self._database.read(lambda connection: _load_state(connection, charter, now))

    async def try_begin(
        self, charter: str, remediation: RemediationRecord, check_guards: Callable[[GuardState], Block | None]
    ) -> Block | None:
        """Note that a remediation begins, unless `asked` blocks it; return the block.

        Asking and noting are one transaction: of two that begin at once, the second one sees the first.
        """

        def work(connection: Connection) -> Block | None:
            block = check_guards(_load_state(connection, charter, remediation.started_at))
            if block is None:
                remediations.begin(connection, charter, remediation)
            return block

        return await self._database.write(work)

    async def load_storm(self, loop: str) -> Storm | None:
        """Return the storm the loop is in, None if it is in none."""
        query = select(storms.c.body).where(storms.c.loop == loop)
        body = await self._database.read(lambda connection: connection.scalar(query))
        return None if body is None else Storm.model_validate_json(body)

    async def set_storm(self, charter: str, loop: str, storm: Storm | None, now: float) -> None:
        """Set or end the storm of a loop. Entering and leaving it is one audit row each, of kind `storm`."""

        def work(connection: Connection) -> None:
            body = connection.scalar(select(storms.c.body).where(storms.c.loop == loop))
            standing = None if body is None else Storm.model_validate_json(body)
            if storm is not None:
                upsert(connection, storms, {"loop": loop}, {"charter": charter, "body": storm.model_dump_json()})
            elif standing is not None:
                connection.execute(delete(storms).where(storms.c.loop == loop))
            if standing is None and storm is not None:
                audit.append(
                    connection, AuditEntry(at=now, kind="storm", loop=loop, summary=f"entered: {storm.reason}")
                )
            if standing is not None and storm is None:
                text = f"left after {now - standing.since:.0f} s"
                audit.append(connection, AuditEntry(at=now, kind="storm", loop=loop, summary=text))

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
        """Note that the violations of the knob's open incident still held at `at`; without one nothing happens."""
        await self._database.write(lambda c: incidents.touch_incident(c, charter, knob, at))

    async def close_quiet(self, charter: str, before: float) -> int:
        """Close, as of `before`, the incidents last seen earlier that have no rung running; return how many."""
        return await self._database.write(lambda c: incidents.close_quiet(c, charter, before))

    async def load_closed_totals(self, charter: str) -> IncidentTotals:
        """Return how many incidents of the Charter are over, and how long they took."""
        return await self._database.read(lambda connection: incidents.load_closed_totals(connection, charter))

    async def quarantine(self, charter: str, knob: str, loop: str, reason: str, now: float) -> None:
        """Keep every plan off the knob until a person releases it; the audit tells which loop asked."""

        def work(connection: Connection) -> None:
            quarantine(connection, charter, knob, loop, reason)
            entry = AuditEntry(at=now, kind="quarantine", loop=loop, knob=knob, summary=f"quarantined: {reason}")
            audit.append(connection, entry)

        await self._database.write(work)

    async def release(self, charter: str, knob: str, actor: str, reason: str, now: float) -> bool:
        """Release a quarantined knob, and let nothing it did before `now` freeze it any more; the audit tells who did.

        False if it is not quarantined and nothing was done to it within the last day: then nothing changes.
        """

        def work(connection: Connection) -> bool:
            mine = (knobs.c.charter == charter, knobs.c.knob == knob, knobs.c.quarantined.is_(True))
            past = [one.loop for one in remediations.load_recent(connection, charter, now) if one.knob == knob]
            loop = connection.scalar(select(knobs.c.loop).where(*mine)) or next(reversed(past), None)
            if loop is None:
                return False
            values = {"loop": loop, "quarantined": False, "quarantine_reason": "", "released_at": now}
            upsert(connection, knobs, {"charter": charter, "knob": knob}, values)
            entry = AuditEntry(
                at=now, kind="quarantine", loop=loop, knob=knob, actor=actor, summary=f"released: {reason}"
            )
            audit.append(connection, entry)
            return True

        return await self._database.write(work)

    async def load_mode(self, loop: str) -> Mode | None:
        """Return the loop's mode as it was last set, None if it never was."""
        body = await self._database.read(lambda c: c.scalar(select(modes.c.body).where(modes.c.loop == loop)))
        return None if body is None else Mode.model_validate_json(body)

    async def set_mode(self, mode: Mode) -> None:
        """Set the mode of a loop and write it into the audit."""

        def work(connection: Connection) -> None:
            upsert(connection, modes, {"loop": mode.loop}, {"body": mode.model_dump_json()})
            entry = AuditEntry(at=mode.at, kind="mode", loop=mode.loop, actor=mode.actor, summary=mode.summary)
            audit.append(connection, entry)

        await self._database.write(work)


def quarantine(connection: Connection, charter: str, knob: str, loop: str, reason: str) -> None:
    """Set the knob's quarantine."""
    values = {"loop": loop, "quarantined": True, "quarantine_reason": reason}
    upsert(connection, knobs, {"charter": charter, "knob": knob}, values)


def ensure_quarantined(connection: Connection, charter: str, knob: str, entry: AuditEntry) -> None:
    """Set the knob's quarantine for what was found after a plan's end; `entry` says why. A repeat does nothing."""
    held = exists().where(knobs.c.charter == charter, knobs.c.knob == knob, knobs.c.quarantined.is_(True))
    if not connection.scalar(select(held)):
        quarantine(connection, charter, knob, entry.loop, entry.summary)
        audit.append(connection, entry.model_copy(update={"kind": "quarantine"}))


def extend_cool_down(connection: Connection, charter: str, guard: KnobGuard, loop: str) -> None:
    """Set the knob's cool-down to the guard's, unless one that lasts longer stands."""
    key = {"charter": charter, "knob": guard.knob}
    standing = connection.scalar(
        select(knobs.c.cooldown_until).where(knobs.c.charter == charter, knobs.c.knob == guard.knob)
    )
    if guard.cooldown_until > (standing or 0.0):
        values = {"loop": loop, "cooldown_until": guard.cooldown_until, "cooldown_reason": guard.cooldown_reason}
        upsert(connection, knobs, key, values)


_HAS_GUARD = or_(knobs.c.quarantined.is_(True), knobs.c.cooldown_until > 0, knobs.c.released_at > 0)
_SELECT_KNOBS = select(knobs).where(knobs.c.charter == bindparam("charter"), _HAS_GUARD).order_by(knobs.c.knob)
_SELECT_STORMS = select(storms.c.body).where(storms.c.charter == bindparam("charter")).order_by(storms.c.loop)


def _load_state(connection: Connection, charter: str, now: float) -> GuardState:
    found = tuple(KnobGuard(**row) for row in connection.execute(_SELECT_KNOBS, {"charter": charter}).mappings())
    bodies = connection.scalars(_SELECT_STORMS, {"charter": charter})
    return GuardState(
        knobs=found,
        incidents=incidents.load_open_incidents(connection, charter),
        recent_remediations=remediations.load_recent(connection, charter, now),
        storms=tuple(Storm.model_validate_json(body) for body in bodies),
    )
