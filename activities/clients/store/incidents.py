"""Incidents and the rungs of their ladders: statements inside a transaction of the guard store."""

from sqlalchemy import ColumnElement, Connection, bindparam, exists, func, insert, select, update

from activities.clients.store.schema import incidents, rungs
from activities.model.incident import Incident, IncidentTotals, KnobProblem, Rung, compute_incident_id

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
    """Return the number of closed incidents of a Charter, and their durations."""
    durations = [func.sum(end - incidents.c.onset) for end in (incidents.c.opened_at, incidents.c.closed_at)]
    query = select(func.count(), *durations).where(incidents.c.charter == charter, incidents.c.closed_at.is_not(None))
    count, detection, repair = connection.execute(query).one()
    return IncidentTotals(count=count, detection_seconds=detection or 0.0, repair_seconds=repair or 0.0)


def open_or_get(connection: Connection, problem: KnobProblem) -> Incident:
    """Return the knob's open incident, opened with the problem's onset if there is none."""
    open_id = connection.scalar(select(incidents.c.incident_id).where(*_is_open(problem.charter, problem.knob)))
    incident_id = open_id or _open_incident(connection, problem)
    touch_incident(connection, problem.charter, problem.knob, problem.observed_at)
    return _load_incident(connection, incident_id)


def start_rung(connection: Connection, problem: KnobProblem, rung: Rung) -> Incident:
    """Add `rung` to the knob's open incident, opened if there is none, and return the incident."""
    incident_id = open_or_get(connection, problem).incident_id
    has_rung = exists().where(rungs.c.incident_id == incident_id, rungs.c.plan_id == rung.plan_id)
    if connection.scalar(select(has_rung)):
        end_rung(connection, rung.plan_id, rung.outcome)
    else:
        connection.execute(insert(rungs).values(incident_id=incident_id, **rung.model_dump()))
    return _load_incident(connection, incident_id)


def touch_incident(connection: Connection, charter: str, knob: str, at: float) -> None:
    """Record that the violations of the knob's open incident still held at `at`."""
    is_older = incidents.c.last_seen_at < at
    connection.execute(update(incidents).where(*_is_open(charter, knob), is_older).values(last_seen_at=at))


def end_rung(connection: Connection, plan_id: str, outcome: str) -> None:
    """Record the outcome of the plan's rung."""
    connection.execute(update(rungs).where(rungs.c.plan_id == plan_id).values(outcome=outcome))


def close_for_plan(connection: Connection, plan_id: str, at: float) -> None:
    """Close the incident of the plan's rung."""
    incident_id = select(rungs.c.incident_id).where(rungs.c.plan_id == plan_id)
    connection.execute(
        update(incidents)
        .where(incidents.c.incident_id.in_(incident_id), incidents.c.closed_at.is_(None))
        .values(closed_at=at)
    )


def close_quiet(connection: Connection, charter: str, before: float) -> int:
    """Close, as of `before`, incidents last seen earlier without a running rung; return how many."""
    is_running = exists().where(rungs.c.incident_id == incidents.c.incident_id, rungs.c.outcome == "")
    is_quiet = (incidents.c.charter == charter, incidents.c.closed_at.is_(None), incidents.c.last_seen_at < before)
    return connection.execute(update(incidents).where(*is_quiet, ~is_running).values(closed_at=before)).rowcount


def _is_open(charter: str, knob: str) -> tuple[ColumnElement[bool], ...]:
    return (incidents.c.charter == charter, incidents.c.knob == knob, incidents.c.closed_at.is_(None))


def _open_incident(connection: Connection, problem: KnobProblem) -> str:
    incident_id = compute_incident_id(problem.charter, problem.knob, problem.onset)
    # The same onset is the same problem: an incident that was closed too early is reopened with its rungs.
    reopened = connection.execute(
        update(incidents).where(incidents.c.incident_id == incident_id).values(closed_at=None)
    )
    if reopened.rowcount == 0:
        row = {"incident_id": incident_id, **problem.model_dump(exclude={"observed_at"})}
        times = {"opened_at": problem.observed_at, "last_seen_at": problem.observed_at}
        connection.execute(insert(incidents).values(**row, **times))
    return incident_id


def _load_incident(connection: Connection, incident_id: str) -> Incident:
    row = connection.execute(select(incidents).where(incidents.c.incident_id == incident_id)).mappings().one()
    return Incident(**row, rungs=_load_rungs(connection, incident_id))


def _load_rungs(connection: Connection, incident_id: str) -> tuple[Rung, ...]:
    return tuple(Rung(**row) for row in connection.execute(_SELECT_RUNGS, {"incident": incident_id}).mappings())
