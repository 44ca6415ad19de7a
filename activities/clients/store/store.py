"""The knowledge store as one value: its parts, and the ending of a remediation that spans them."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from activities.clients.store import audit as audit_rows
from activities.clients.store import autonomy as trust_rows
from activities.clients.store import guards as guard_rows
from activities.clients.store import incidents, remediations
from activities.clients.store import outcomes as outcome_rows
from activities.clients.store import plans as plan_rows
from activities.clients.store.audit import Audit
from activities.clients.store.autonomy import Trust
from activities.clients.store.engine import Database
from activities.clients.store.guards import Guards
from activities.clients.store.migrate import open_database
from activities.clients.store.notices import Notices
from activities.clients.store.outcomes import Outcomes
from activities.clients.store.plans import Plans
from activities.clients.store.snapshots import Snapshots
from activities.model.audit import AuditEntry
from activities.model.guards import KnobGuard
from activities.model.outcome import Ending, Outcome
from activities.model.types import headed


@dataclass(frozen=True)
class Store:
    """Outcomes, snapshots, plans, audit and guards in one database. Every call raises StoreUnavailable."""

    database: Database
    outcomes: Outcomes
    snapshots: Snapshots
    plans: Plans
    audit: Audit
    guards: Guards
    trust: Trust
    notices: Notices

    async def finish(self, ending: Ending) -> Outcome:
        """Write a remediation's end in one transaction and return the outcome that stands for its plan.

        Outcome, cool-down, quarantine, rung, incident and audit change together, or nothing does. The first ending
        of a plan stands: a repeat changes nothing. A later one only quarantines what it could not undo.

        Raises: Superseded (the plan went on after this was asked for: whoever asked was held up).
        """
        return await self.database.write(lambda connection: _finish(connection, ending))

    async def ready(self) -> None:
        """Return if the store can be read."""
        await self.database.read(lambda connection: connection.scalar(select(1)))

    async def close(self) -> None:
        """Close the database; what has begun ends first."""
        await self.database.close()


async def open_store(address: str | Path, busy_seconds: float = 5.0) -> Store:
    """Return the store at `address`: `memory`, a database URL or the path of an SQLite file.

    The schema is brought up to date. `busy_seconds` is how long a database locked by another process is waited for.
    Raises: ConfigurationError (wrong address, missing driver, schema newer than this code), StoreUnavailable.
    """
    return store_over(await asyncio.to_thread(open_database, str(address), busy_seconds))


def store_over(database: Database) -> Store:
    """Return the store in an open database."""
    return Store(
        database=database,
        outcomes=Outcomes(database),
        snapshots=Snapshots(database),
        plans=Plans(database),
        audit=Audit(database),
        guards=Guards(database),
        trust=Trust(database),
        notices=Notices(database),
    )


def _finish(connection: Connection, ending: Ending) -> Outcome:
    outcome = ending.outcome
    standing = outcome_rows.find(connection, outcome.plan_id)
    if standing is not None:
        repeated = (standing.ending, standing.headline) == (outcome.ending, outcome.headline)
        if ending.quarantine_why and not repeated:
            guard_rows.quarantine_afresh(connection, outcome.charter, outcome.knob, _entry(ending))
        return standing
    plan_rows.refuse_if_gone_on(connection, outcome.plan_id, outcome.ended)
    plan_rows.mark_late(connection, outcome.plan_id, ending.absent)
    outcome_rows.add(connection, outcome, ending.keep, ending.recheck_at)
    rest = KnobGuard(knob=outcome.knob, cooldown_until=ending.cooldown_until, cooldown_why=ending.cooldown_why)
    guard_rows.cool_down(connection, outcome.charter, rest, outcome.loop)
    if ending.quarantine_why:
        guard_rows.quarantine(connection, outcome.charter, outcome.knob, outcome.loop, ending.quarantine_why)
    incidents.end_rung(connection, outcome.plan_id, outcome.ending)
    remediations.end(connection, outcome)
    if ending.close_incident:
        incidents.close_of_plan(connection, outcome.plan_id, outcome.at)
    if ending.mark:
        marks = trust_rows.marks(outcome.plan_id, outcome.cause, outcome.actions, ending.mark, outcome.at)
        trust_rows.add(connection, outcome.loop, marks)
    audit_rows.append(connection, _entry(ending))
    return outcome


def _entry(ending: Ending) -> AuditEntry:
    outcome = ending.outcome
    text = headed(outcome.ending, outcome.headline)
    if ending.quarantine_why:
        text += f"; quarantined: {ending.quarantine_why}"
    return AuditEntry(
        at=outcome.at, kind="ending", loop=outcome.loop, plan_id=outcome.plan_id, knob=outcome.knob, text=text
    )
