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
from activities.clients.store.audit import AuditLog
from activities.clients.store.autonomy import AutonomyStore
from activities.clients.store.engine import Database
from activities.clients.store.guards import GuardStore
from activities.clients.store.migrate import open_database
from activities.clients.store.notifications import NotificationStore
from activities.clients.store.outcomes import OutcomeStore
from activities.clients.store.plans import PlanStore
from activities.clients.store.snapshots import SnapshotStore
from activities.model.audit import AuditEntry
from activities.model.guard_state import KnobGuard
from activities.model.outcome import Outcome, OutcomeTransaction
from activities.model.types import with_outcome_prefix


@dataclass(frozen=True)
class Store:
    """Outcomes, snapshots, plans, audit and guards in one database. Every call raises StoreUnavailable."""

    database: Database
    outcomes: OutcomeStore
    snapshots: SnapshotStore
    plans: PlanStore
    audit: AuditLog
    guards: GuardStore
    autonomy: AutonomyStore
    notifications: NotificationStore

    async def close_remediation(self, transaction: OutcomeTransaction) -> Outcome:
        """Write a remediation's end in one transaction and return the outcome that stands for its plan.

        Outcome, cool-down, quarantine, rung, incident and audit change together, or nothing does. The first ending
        of a plan stands: a repeat changes nothing. A later one only quarantines what it could not undo.

        Raises: Superseded (the plan went on after this was asked for: whoever asked was held up).
        """
        return await self.database.write(lambda connection: _close_remediation(connection, transaction))

    async def check_ready(self) -> None:
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
    return store_from_database(await asyncio.to_thread(open_database, str(address), busy_seconds))


def store_from_database(database: Database) -> Store:
    """Return the store in an open database."""
    return Store(
        database=database,
        outcomes=OutcomeStore(database),
        snapshots=SnapshotStore(database),
        plans=PlanStore(database),
        audit=AuditLog(database),
        guards=GuardStore(database),
        autonomy=AutonomyStore(database),
        notifications=NotificationStore(database),
    )


def _close_remediation(connection: Connection, transaction: OutcomeTransaction) -> Outcome:
    outcome = transaction.outcome
    standing = outcome_rows.find(connection, outcome.plan_id)
    if standing is not None:
        repeated = (standing.outcome, standing.headline) == (outcome.outcome, outcome.headline)
        if transaction.quarantine_reason and not repeated:
            guard_rows.ensure_quarantined(connection, outcome.charter, outcome.knob, _build_audit_entry(transaction))
        return standing
    plan_rows.require_not_resumed(connection, outcome.plan_id, outcome.ended_at)
    plan_rows.mark_late(connection, outcome.plan_id, transaction.unapplied_steps)
    outcome_rows.add(connection, outcome, transaction.history_limit, transaction.recheck_at)
    rest = KnobGuard(
        knob=outcome.knob, cooldown_until=transaction.cooldown_until, cooldown_reason=transaction.cooldown_reason
    )
    guard_rows.extend_cool_down(connection, outcome.charter, rest, outcome.loop)
    if transaction.quarantine_reason:
        guard_rows.quarantine(connection, outcome.charter, outcome.knob, outcome.loop, transaction.quarantine_reason)
    incidents.end_rung(connection, outcome.plan_id, outcome.outcome)
    remediations.end(connection, outcome)
    if transaction.close_incident:
        incidents.close_for_plan(connection, outcome.plan_id, outcome.at)
    if transaction.evidence_kind:
        marks = trust_rows.make_evidence(
            outcome.plan_id, outcome.cause, outcome.actions, transaction.evidence_kind, outcome.at
        )
        trust_rows.append_evidence(connection, outcome.loop, marks)
    audit_rows.append(connection, _build_audit_entry(transaction))
    return outcome


def _build_audit_entry(transaction: OutcomeTransaction) -> AuditEntry:
    outcome = transaction.outcome
    text = with_outcome_prefix(outcome.outcome, outcome.headline)
    if transaction.quarantine_reason:
        text += f"; quarantined: {transaction.quarantine_reason}"
    return AuditEntry(
        at=outcome.at, kind="ending", loop=outcome.loop, plan_id=outcome.plan_id, knob=outcome.knob, summary=text
    )
