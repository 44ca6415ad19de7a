"""Back-up, restore and the move between SQLite and PostgreSQL: the copy holds every row and takes new ones."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table

from activities.clients.store.copy_store import copy_store
from activities.clients.store.schema import audit, evidence, metadata, notifications
from activities.clients.store.store import Store, open_store
from activities.model.autonomy import EvidenceKind
from activities.model.decision import Decision
from activities.model.diagnosis import Diagnosis
from activities.model.effect import Direction, Effect
from activities.model.errors import Rejected
from activities.model.history import RemediationRecord
from activities.model.mode import LoopMode, Mode
from activities.model.notification import Notification, NotificationKind, Updates
from activities.model.storm import Storm
from tests.activities.upkeep.test_checks import SHADOW_DECISION
from tests.support.model_builders import make_attempt_row, make_outcome_transaction, make_plan, make_problem, make_rung

ATTEMPT_COUNT = 450
PLAN_ID = make_plan().plan_id


async def fill_store(store: Store) -> None:
    """Put rows into every table."""
    mode = Mode(loop="charter", name=LoopMode.ACT, actor="me", reason="now", at=1.0)
    decision = Decision(outcome="unknown", headline="unknown", diagnosis=Diagnosis(headline="unknown", at=1000.0))
    digest = await store.snapshots.put(mode, "mode", 1000.0)
    await store.plans.put_decision(make_plan().cycle_id, "charter", 1000.0, decision, digest)
    await store.plans.put(make_plan(), 1010.0)
    await store.guards.start_rung(make_problem(), make_rung(), 1010.0)
    record = RemediationRecord(plan_id=PLAN_ID, loop="charter", knob="committee", started_at=1040.0)
    await store.guards.try_begin("charter", record, lambda _: None)
    for number in range(ATTEMPT_COUNT):
        await store.audit.append(make_attempt_row(attempt=number))
    effect = Effect(plan_id=PLAN_ID, step=0, direction=Direction.DO, at=1050.0, generation=4, previous={"replicas": 5})
    await store.plans.put_effect(effect)
    await store.close_remediation(make_outcome_transaction(cool_down_until=2000.0, evidence_kind=EvidenceKind.GOOD))
    await store.guards.set_mode(mode)
    await store.guards.set_storm("charter", "charter", Storm(loop="charter", since=1.0, reason="5 of 8"), 1.0)
    await store.autonomy.put_shadow(SHADOW_DECISION)
    await store.notifications.open_or_touch(make_notification("first"))
    await store.notifications.claim("pager", tuple(NotificationKind), Updates.BY_KEY, 2000.0)


def make_notification(key: str) -> Notification:
    return Notification(key=key, kind=NotificationKind.STORM, loop="charter", headline="storm", at=1000.0)


def select_rows(connection: Connection, table: Table) -> list[dict[str, Any]]:
    rows = connection.execute(table.select().order_by(*table.primary_key)).mappings()
    return [dict(row) for row in rows]


async def load_tables(store: Store) -> dict[str, list[dict[str, Any]]]:
    return {
        table.name: await store.database.read(partial(select_rows, table=table)) for table in metadata.sorted_tables
    }


async def test_the_copy_holds_every_row(store_address: str, tmp_path: Path) -> None:
    """The way to a file and back into either database changes no row of any table."""
    source, backup = await open_store("memory"), await open_store(tmp_path / "backup.db")
    await fill_store(source)
    restored = await open_store(store_address)
    row_count = await copy_store(source, backup)
    assert await copy_store(backup, restored) == row_count > ATTEMPT_COUNT
    tables = await load_tables(source)
    assert [name for name, rows in tables.items() if not rows] == []
    assert await load_tables(restored) == tables
    for store in (source, backup, restored):
        await store.close()


async def test_the_copy_takes_new_rows(store_address: str) -> None:
    """Each table that numbers its rows goes on after the last number copied, and the audit chain stays whole."""
    source, restored = await open_store("memory"), await open_store(store_address)
    await fill_store(source)
    await copy_store(source, restored)
    before = await load_tables(restored)
    await restored.audit.append(make_attempt_row(at=3000.0))
    await restored.notifications.open_or_touch(make_notification("second"))
    await restored.close_remediation(make_outcome_transaction("b" * 12, evidence_kind=EvidenceKind.HARM))
    after = await load_tables(restored)
    for table in (audit, notifications, evidence):
        assert after[table.name][: len(before[table.name])] == before[table.name]
        assert after[table.name][-1]["id"] > before[table.name][-1]["id"]
    assert await restored.audit.verify_chain() is None
    for store in (source, restored):
        await store.close()


async def test_an_empty_copy_numbers_rows_from_one(store_address: str) -> None:
    """A copy of an empty store leaves the numbering of a new one."""
    source, restored = await open_store("memory"), await open_store(store_address)
    assert await copy_store(source, restored) == 0
    await restored.audit.append(make_attempt_row())
    assert [row["id"] for row in (await load_tables(restored))["audit"]] == [1]
    for store in (source, restored):
        await store.close()


async def test_a_store_with_rows_is_not_overwritten(store_address: str) -> None:
    """A restore into a store in use is refused, and changes nothing."""
    source, target = await open_store("memory"), await open_store(store_address)
    await fill_store(source)
    await target.audit.append(make_attempt_row())
    with pytest.raises(Rejected, match="audit"):
        await copy_store(source, target)
    assert await target.outcomes.load_for_plan(PLAN_ID) is None
    for store in (source, target):
        await store.close()


async def test_a_backup_under_writes_is_of_one_moment(store_address: str, tmp_path: Path) -> None:
    """Writers are not delayed, and no write is half in the copy."""
    source, backup = await open_store(store_address), await open_store(tmp_path / "backup.db")
    await fill_store(source)
    row_count = len((await load_tables(source))["audit"])
    await asyncio.gather(
        copy_store(source, backup), *(source.audit.append(make_attempt_row(at=float(n))) for n in range(50))
    )
    assert await backup.audit.verify_chain() is None
    assert len((await load_tables(source))["audit"]) == row_count + 50
    for store in (source, backup):
        await store.close()
