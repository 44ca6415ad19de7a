"""Incidents and the rungs of their ladders, as statements inside a transaction of the guards."""

from sqlalchemy import Connection, bindparam, exists, func, insert, select, update

from activities.clients.store.schema import incidents, rungs
from activities.model.incident import Incident, IncidentTotals, Rung, compute_incident_id

_SELECT_OPEN = (
    select(incidents)
    .where(incidents.c.charter == bindparam("charter"), incidents.c.closed_at.is_(None))
    .order_by(incidents.c.onset, incidents.c.knob)
)
_SELECT_RUNGS = (
    select(rungs.c.rung, rungs.c.plan_id, rungs.c.cause, rungs.c.component, rungs.c.outcome)
    .where(rungs.c.incident_id == bindparam("incident"))
    .order_by(rungs.c.rung, rungs.c.plan_id)
)


def load_open_incidents(connection: Connection, charter: str) -> tuple[Incident, ...]:
    """Return the open incidents of a Charter, the oldest first."""
    rows = connection.execute(_SELECT_OPEN, {"charter": charter}).mappings().all()
    return tuple(Incident(**row, rungs=_load_rungs(connection, row["incident_id"])) for row in rows)


def load_closed_totals(connection: Connection, charter: str) -> IncidentTotals:
    """Return how many incidents of a Charter are over, and how long they took."""
    took = [func.sum(end - incidents.c.onset) for end in (incidents.c.opened_at, incidents.c.closed_at)]
    query = select(func.count(), *took).where(incidents.c.charter == charter, incidents.c.closed_at.is_not(None))
    number, detection, repair = connection.execute(query).one()
    return IncidentTotals(count=number, detection_seconds=detection or 0.0, repair_seconds=repair or 0.0)


def open_or_get(connection: Connection, charter: str, knob: str, onset_and_now: tuple[float, float]) -> Incident:
    """Return the knob's open incident; `times` are (onset, now), the onset used if one has to be opened."""
    onset, now = onset_and_now
    running = connection.scalar(
        select(incidents.c.incident_id).where(
            incidents.c.charter == charter, incidents.c.knob == knob, incidents.c.closed_at.is_(None)
        )
    )
    found = running or _open_incident(connection, charter, knob, onset, now)
    connection.execute(
        update(incidents)
        .where(incidents.c.incident_id == found, incidents.c.last_seen_at < now)
        .values(last_seen_at=now)
    )
    return _load_incident(connection, found)


def start_rung(
    connection: Connection, charter: str, knob: str, onset_and_now: tuple[float, float], rung: Rung
) -> Incident:
    """Add `rung` to the knob's open incident and return it; `times` are (onset, now), used if one has to be opened."""
    found = open_or_get(connection, charter, knob, onset_and_now).incident_id
    tried = exists().where(rungs.c.incident_id == found, rungs.c.plan_id == rung.plan_id)
    if connection.scalar(select(tried)):
        end_rung(connection, rung.plan_id, rung.outcome)
    else:
        connection.execute(insert(rungs).values(incident_id=found, **rung.model_dump()))
    return _load_incident(connection, found)


def touch_incident(connection: Connection, charter: str, knob: str, at: float) -> None:
    """Note that the violations of the knob's open incident still held at `at`."""
    connection.execute(
        update(incidents)
        .where(incidents.c.charter == charter, incidents.c.knob == knob)
        .where(incidents.c.closed_at.is_(None), incidents.c.last_seen_at < at)
        .values(last_seen_at=at)
    )


def end_rung(connection: Connection, plan_id: str, outcome: str) -> None:
    """Note how the plan ended on the rung it was."""
    connection.execute(update(rungs).where(rungs.c.plan_id == plan_id).values(outcome=outcome))


def close_for_plan(connection: Connection, plan_id: str, at: float) -> None:
    """Close the incident the plan was a rung of."""
    mine = select(rungs.c.incident_id).where(rungs.c.plan_id == plan_id)
    connection.execute(
        update(incidents).where(incidents.c.incident_id.in_(mine), incidents.c.closed_at.is_(None)).values(closed_at=at)
    )


def close_quiet(connection: Connection, charter: str, before: float) -> int:
    """Close, as of `before`, what was last seen earlier and has no rung running; return how many."""
    running = exists().where(rungs.c.incident_id == incidents.c.incident_id, rungs.c.outcome == "")
    quiet = (incidents.c.charter == charter, incidents.c.closed_at.is_(None), incidents.c.last_seen_at < before)
    return connection.execute(update(incidents).where(*quiet, ~running).values(closed_at=before)).rowcount


def _open_incident(connection: Connection, charter: str, knob: str, onset: float, now: float) -> str:
    found = compute_incident_id(charter, knob, onset)
    # The same onset is the same trouble: closed too early, it goes on with the rungs it had.
    reopened = connection.execute(update(incidents).where(incidents.c.incident_id == found).values(closed_at=None))
    if reopened.rowcount == 0:
        row = {"incident_id": found, "charter": charter, "knob": knob, "onset": onset}
        connection.execute(insert(incidents).values(**row, opened_at=now, last_seen_at=now))
    return found


def _load_incident(connection: Connection, incident_id: str) -> Incident:
    row = connection.execute(select(incidents).where(incidents.c.incident_id == incident_id)).mappings().one()
    return Incident(**row, rungs=_load_rungs(connection, incident_id))


def _load_rungs(connection: Connection, incident_id: str) -> tuple[Rung, ...]:
    return tuple(Rung(**row) for row in connection.execute(_SELECT_RUNGS, {"incident": incident_id}).mappings())
