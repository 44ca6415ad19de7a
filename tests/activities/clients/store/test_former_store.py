"""A store written before schema 0006: it opens, and every row, field and reading verb works.

`data/schema_0005.sql` is the dump of a database file made by the code of that time. Every table holds rows, and every
field of every model differs from its default.
"""

import asyncio
import importlib
import json
import sqlite3
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from pydantic import BaseModel
from sqlalchemy import Connection, MetaData, Table, create_engine, insert, make_url, text
from temporalio.testing import WorkflowEnvironment

from activities.clients.store.migrate import MIGRATIONS_FOLDER
from activities.clients.store.schema import metadata
from activities.clients.store.store import Store, open_store
from activities.decision import decide
from activities.model.audit import AuditEntry
from activities.model.autonomy import EvidenceKind, ShadowDecision
from activities.model.baseline import AdaptiveLimits
from activities.model.decision import Decision
from activities.model.effect import Effect
from activities.model.errors import StoreUnavailable
from activities.model.history import RemediationRecord
from activities.model.mode import LoopMode, Mode
from activities.model.notification import Notification, NotificationKind, Updates
from activities.model.outcome import Outcome
from activities.model.plan import Plan
from activities.model.snapshot import AnalysisInput, Snapshot, compute_digest
from activities.model.storm import Storm
from activities.model.types import FrozenModel
from activities.settings import LoopSettings
from tests.activities.model.test_former_names import DROPPED_FIELDS
from tests.support.model_builders import make_attempt_row
from worker.cli.main import run

DUMP = Path(__file__).parent / "data" / "schema_0005.sql"
MODEL_BY_TABLE: dict[str, type[FrozenModel]] = {
    "outcomes": Outcome,
    "plans": Plan,
    "decisions": Decision,
    "effects": Effect,
    "audit": AuditEntry,
    "modes": Mode,
    "shadows": ShadowDecision,
    "remediations": RemediationRecord,
    "storms": Storm,
    "notices": Notification,
}
MODEL_BY_SNAPSHOT_KIND: dict[str, type[FrozenModel]] = {
    "analysis": AnalysisInput,
    "decision": Snapshot,
    "filled-analysis": AnalysisInput,
    "filled-decision": Snapshot,
    "limits:charter": AdaptiveLimits,
}
RENAMED_COLUMNS = importlib.import_module("activities.clients.store.migrations.versions.0006_names").COLUMNS
RECORDED_CYCLE = "mapek-cycle:charter-1"
FILLED_CYCLE = "mapek-cycle:charter:manual-1"


@pytest.fixture
def former_path(database_path: Path) -> Path:
    """Return a database file with schema 0005."""
    with closing(sqlite3.connect(database_path)) as connection:
        connection.executescript(DUMP.read_text())
    return database_path


@pytest.fixture(params=["file", "postgres"])
def former_address(request: pytest.FixtureRequest, former_path: Path) -> str:
    """Return the address of a store with schema 0005 and the rows of the dump."""
    if request.param == "file":
        return str(former_path)
    address = str(request.getfixturevalue("empty_database"))
    _fill_postgresql(address, former_path)
    return address


def _fill_postgresql(address: str, path: Path) -> None:
    source, target = (
        create_engine(f"sqlite:///{path}"),
        create_engine(make_url(address).set(drivername="postgresql+psycopg")),
    )
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_FOLDER))
    tables = MetaData()
    with source.begin() as rows, target.begin() as into:
        config.attributes["connection"] = into
        command.upgrade(config, "0005")
        tables.reflect(into)
        for table in tables.sorted_tables:
            if table.name != "alembic_version":
                into.execute(insert(table), _read_rows(rows, table.name))
                if "id" in table.c:
                    into.exec_driver_sql(f"SELECT setval('{table.name}_id_seq', (SELECT max(id) FROM {table.name}))")
    source.dispose()
    target.dispose()


def _read_rows(connection: Connection, table_name: str) -> list[dict[str, Any]]:
    tables = MetaData()
    tables.reflect(connection, only=[table_name])
    return select_rows(connection, tables.tables[table_name])


def _read_former_bodies() -> Iterator[tuple[str, type[FrozenModel], str]]:
    """Yield a name, the model and the JSON of each row of the dump."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(DUMP.read_text())
        for table, model_class in MODEL_BY_TABLE.items():
            for number, (body,) in enumerate(connection.execute(f"SELECT body FROM {table}")):
                yield f"{table}-{number}", model_class, body
        for kind, body in connection.execute("SELECT kind, body FROM snapshots"):
            yield f"snapshot-{kind}", MODEL_BY_SNAPSHOT_KIND[kind], zlib.decompress(body).decode()


def find_lost_fields(former: Any, present: Any, key_path: str = "") -> list[str]:
    """Return the paths of the values in `former` JSON that `present` does not hold under the same or the new name."""
    if isinstance(present, BaseModel):
        names: Mapping[str, str] = getattr(present, "FORMER_NAMES", {})
        lost = []
        for key, value in former.items():
            if key in DROPPED_FIELDS.get(type(present).__name__, ()):
                continue
            name, path = names.get(key, key), f"{key_path}.{key}"
            is_field = name in type(present).model_fields
            lost += find_lost_fields(value, getattr(present, name), path) if is_field else [path]
        return lost
    if isinstance(present, tuple):
        if len(former) != len(present):
            return [key_path]
        pairs = enumerate(zip(former, present, strict=True))
        return [path for i, (old, new) in pairs for path in find_lost_fields(old, new, f"{key_path}[{i}]")]
    return [] if former == present else [key_path]


@pytest.mark.parametrize(
    ("model_class", "body"), [pytest.param(c, body, id=name) for name, c, body in _read_former_bodies()]
)
def test_every_field_of_every_row_is_read(model_class: type[FrozenModel], body: str) -> None:
    """A field under its former name arrives under its new one, with its value."""
    assert find_lost_fields(json.loads(body), model_class.model_validate_json(body)) == []


@pytest_asyncio.fixture
async def former_store(former_address: str) -> AsyncIterator[Store]:
    """Return the former store, opened by the present code."""
    opened = await open_store(former_address)
    yield opened
    await opened.close()


async def test_it_gets_the_present_schema(former_store: Store) -> None:
    """Tables, columns and indexes are those of the code."""
    difference = await former_store.database.read(lambda c: compare_metadata(MigrationContext.configure(c), metadata))
    assert difference == []


async def test_every_row_is_still_there(former_store: Store, former_path: Path) -> None:
    """Each table has the rows it had, and every column its values, under the new names."""
    renamed = {"notices": "notifications"}
    columns = {(renamed.get(table, table), former): present for table, former, present, _ in RENAMED_COLUMNS}
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(DUMP.read_text())
        connection.row_factory = sqlite3.Row
        for table in metadata.sorted_tables:
            name = next((former for former, present in renamed.items() if present == table.name), table.name)
            rows = [
                {columns.get((table.name, key), key): row[key] for key in row.keys()}  # noqa: SIM118 - a row iterates over its values
                for row in connection.execute(f"SELECT * FROM {name}")
            ]
            present = await former_store.database.read(partial(select_rows, table=table))
            assert rows, f"the dump has no row of {name}"
            assert sort_rows(present) == sort_rows(rows)


def select_rows(connection: Connection, table: Table) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(table.select()).mappings()]


def sort_rows(rows: list[dict[str, Any]]) -> list[list[tuple[str, Any]]]:
    return sorted((sorted(row.items()) for row in rows), key=str)


async def test_the_audit_goes_on_and_stays_append_only(former_store: Store) -> None:
    """The chain is whole, grows, and the database still refuses to change a row."""
    assert await former_store.audit.verify_chain() is None
    await former_store.audit.append(make_attempt_row(at=3000.0))
    assert await former_store.audit.verify_chain() is None
    for change in (text("UPDATE audit SET kind = 'x'"), text("DELETE FROM audit")):
        with pytest.raises(StoreUnavailable, match="append-only"):
            await former_store.database.write(partial(Connection.execute, statement=change))


async def test_the_guards_hold_what_they_held(former_store: Store) -> None:
    """Cool-down, quarantine, release, incidents, rungs, remediations and storm are read from columns and bodies."""
    state = await former_store.guards.load_state("charter", 1500.0)
    committee, admission = state.knob("committee"), state.knob("admission")
    assert (committee.cool_down_until, committee.cool_down_reason, committee.released_at) == (
        4e9,
        "rolled back",
        1200.0,
    )
    assert (admission.quarantined, admission.quarantine_reason) == (True, "undo failed")
    assert [(i.knob, i.onset, i.last_seen_at, [r.outcome for r in i.rungs]) for i in state.incidents] == [
        ("committee", 1000.0, 1010.0, ["rolled_back"]),
        ("admission", 1005.0, 1015.0, [""]),
    ]
    assert [(r.knob, r.started_at, r.rolled_back) for r in state.recent_remediations] == [
        ("committee", 1020.0, True),
        ("admission", 1021.0, True),
    ]
    assert [storm.since for storm in state.storms] == [1300.0]
    mode = await former_store.guards.load_mode("charter")
    assert mode is not None
    assert (mode.name, mode.until) == (LoopMode.OBSERVE, 4e9)
    assert mode.actor.startswith("text")


async def test_evidence_and_shadows_count_as_before(former_store: Store) -> None:
    """The kinds of evidence are read, and the shadow that waits can still be scored."""
    kinds = [row.kind for row in await former_store.autonomy.load_evidence("charter")]
    assert kinds == [EvidenceKind.HARM, EvidenceKind.MATCH]
    assert await former_store.autonomy.count_unaudited("charter") == 2
    [shadow] = await former_store.autonomy.load_due_shadows("charter", 2000.0)
    await former_store.autonomy.record_score(shadow, EvidenceKind.MISS, 2000.0)
    assert len(await former_store.autonomy.load_evidence("charter")) == 3


async def test_the_outbox_goes_on(former_store: Store) -> None:
    """A target gets the update of what it was sent; a notification that is open is sent once its pause is over."""
    notifications = former_store.notifications
    update = await notifications.claim("pager", tuple(NotificationKind), Updates.BY_KEY, 2000.0)
    assert update is not None
    assert (update.notification.resolution, update.version) == ("approved", 2)
    assert [n.kind for n in await notifications.load_open("charter")] == [NotificationKind.STORM]
    retry = await notifications.claim("chat", tuple(NotificationKind), Updates.BY_KEY, 2000.0)
    assert retry is not None
    assert (retry.notification.kind, retry.attempts) == (NotificationKind.STORM, 2)
    await notifications.open_or_touch(retry.notification.model_copy(update={"key": "new"}))
    assert len(await notifications.load_open("charter")) == 2


async def test_a_recorded_decision_is_made_again(former_store: Store) -> None:
    """The stored input gives the recorded decision; only the digest of the snapshot and one wording differ."""
    decision = await former_store.plans.load_decision(RECORDED_CYCLE)
    assert decision is not None
    [plan] = decision.plans
    snapshot = await former_store.snapshots.get(plan.snapshot, Snapshot)
    analysis = await former_store.snapshots.get(snapshot.analysis, AnalysisInput)
    again = decide(snapshot, analysis, LoopSettings())
    [plan_again] = again.plans
    assert plan_again.snapshot == compute_digest(snapshot)
    same = again.model_copy(update={"plans": (plan_again.model_copy(update={"snapshot": plan.snapshot}),)})
    assert cut_spatial_summaries(same.model_dump(mode="json")) == cut_spatial_summaries(
        decision.model_dump(mode="json")
    )


def cut_spatial_summaries(value: Any) -> Any:
    """Return a dumped model with its spatial summaries cut after the counts: the rest has another wording."""
    if isinstance(value, dict):
        return {key: cut_spatial_summaries(item) for key, item in value.items()}
    if isinstance(value, list):
        return [cut_spatial_summaries(item) for item in value]
    return value.partition(" violated at ")[0] if isinstance(value, str) else value


@pytest.fixture
def former_state(former_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the state folder of a stack whose store is the former one."""
    monkeypatch.delenv("MAPEK_CONFIG", raising=False)
    monkeypatch.setenv("MAPEK_STATE", str(former_path.parent))
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    return former_path.parent


async def run_mapek(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """Run a verb that must succeed, and return what it printed."""
    assert await asyncio.to_thread(run, list(args)) == 0, capsys.readouterr()
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("explain", FILLED_CYCLE), "Verdict: rolled_back"),
        (("explain", RECORDED_CYCLE), "SCALE_UP committee (replicas 6)"),
        (("audit", FILLED_CYCLE), "approved: yes"),
        (("audit", "charter"), "released: repaired"),
        (("autonomy",), "overload"),
    ],
)
async def test_a_reading_verb_works(
    former_state: Path, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], expected: str
) -> None:
    """What needs the store alone prints it, as lines and as JSON."""
    assert expected in await run_mapek(capsys, *args)
    assert json.loads(await run_mapek(capsys, *args, "--json"))


async def test_status_and_cycles_work(
    former_state: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    temporal: WorkflowEnvironment,
) -> None:
    """Mode, locked knobs and storm come from the store."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.client.service_client.config.target_host)
    [loop] = json.loads(await run_mapek(capsys, "status", "--json"))
    assert (loop["mode"]["name"], loop["storm"]["since"]) == ("observe", "1970-01-01T00:21:40Z")
    assert {knob["knob"]: knob["quarantined"] for knob in loop["knobs"]} == {"admission": True, "committee": False}
    assert "quarantine admission: undo failed" in await run_mapek(capsys, "status")
    assert json.loads(await run_mapek(capsys, "cycles", "--json")) == []


async def test_it_is_backed_up_and_restored(
    former_state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The copy holds every row, and the restored store reads them."""
    await run_mapek(capsys, "backup", str(tmp_path / "backup.db"))
    restored = tmp_path / "restored"
    restored.mkdir()
    assert "rows restored" in await run_mapek(capsys, "--state", str(restored), "restore", str(tmp_path / "backup.db"))
    assert "Verdict: rolled_back" in await run_mapek(capsys, "--state", str(restored), "explain", FILLED_CYCLE)


async def test_a_former_backup_is_restored(
    former_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A back-up made before schema 0006 is a file like any other store."""
    monkeypatch.delenv("MAPEK_CONFIG", raising=False)
    restored = tmp_path / "restored"
    restored.mkdir()
    assert "rows restored" in await run_mapek(capsys, "--state", str(restored), "restore", str(former_path))
    assert "released: repaired" in await run_mapek(capsys, "--state", str(restored), "audit", "charter")
