"""The knowledge store as one value: its parts, and the transaction that ends a remediation in all of them."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from activities.clients.store import audit as audit_rows
from activities.clients.store import autonomy as autonomy_rows
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
from activities.model.audit import AuditEntry, AuditKind
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
        """Write the end of a remediation in one transaction, and return the outcome of its plan.

        Outcome, cool-down, quarantine, rung, incident and audit change together, or nothing does. The first end of a
        plan is final: a repeat changes nothing. A later end only quarantines the knob of a change it could not undo.

        Raises:
            Superseded: the plan continued after this end was requested; the request was delayed.
        """
        return await self.database.write(lambda connection: _close_remediation(connection, transaction))

    async def check_ready(self) -> None:
        """Return if the store can be read, and its path still leads to the open file. Raises StoreUnavailable."""
        await asyncio.to_thread(self.database.check_file)
        await self.database.read(lambda connection: connection.scalar(select(1)))

    async def close(self) -> None:
        """Close the database after its running transactions."""
        await self.database.close()


async def open_store(address: str | Path, busy_seconds: float = 5.0) -> Store:
    """Return the store at `address`: `memory`, a database URL or the path of an SQLite file.

    The schema is migrated to the code's. `busy_seconds` limits the wait for the lock of another process.

    Raises:
        ConfigurationError: the address is invalid, its driver is missing, or the schema is newer than this code.
        StoreUnavailable: the database cannot be opened.
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
    first_outcome = outcome_rows.find(connection, outcome.plan_id)
    if first_outcome is not None:
        is_repeat = (first_outcome.outcome, first_outcome.headline) == (outcome.outcome, outcome.headline)
        if transaction.quarantine_reason and not is_repeat:
            guard_rows.ensure_quarantined(connection, outcome.charter, outcome.knob, _build_audit_entry(transaction))
        return first_outcome
    plan_rows.require_not_resumed(connection, outcome.plan_id, outcome.ended_at)
    plan_rows.mark_late(connection, outcome.plan_id, transaction.unapplied_steps)
    outcome_rows.add(connection, outcome, transaction.history_limit, transaction.recheck_at)
    cool_down = KnobGuard(
        knob=outcome.knob, cool_down_until=transaction.cool_down_until, cool_down_reason=transaction.cool_down_reason
    )
    guard_rows.extend_cool_down(connection, outcome.charter, cool_down, outcome.loop)
    if transaction.quarantine_reason:
        guard_rows.quarantine(connection, outcome.charter, outcome.knob, outcome.loop, transaction.quarantine_reason)
    incidents.end_rung(connection, outcome.plan_id, outcome.outcome)
    remediations.end(connection, outcome)
    if transaction.close_incident:
        incidents.close_for_plan(connection, outcome.plan_id, outcome.at)
    if transaction.evidence_kind:
        evidence = autonomy_rows.make_evidence(
            outcome.plan_id, outcome.cause, outcome.actions, transaction.evidence_kind, outcome.at
        )
        autonomy_rows.append_evidence(connection, outcome.loop, evidence)
    audit_rows.append(connection, _build_audit_entry(transaction))
    return outcome


def _build_audit_entry(transaction: OutcomeTransaction) -> AuditEntry:
    outcome = transaction.outcome
    text = with_outcome_prefix(outcome.outcome, outcome.headline)
    if transaction.quarantine_reason:
        text += f"; quarantined: {transaction.quarantine_reason}"
    return AuditEntry(
        at=outcome.at,
        kind=AuditKind.ENDING,
        loop=outcome.loop,
        plan_id=outcome.plan_id,
        knob=outcome.knob,
        summary=text,
    )
