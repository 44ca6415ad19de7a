"""Snapshots: what is stored is what is read, under the digest of its content."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from activities.clients.store.schema import snapshots
from activities.clients.store.snapshots import MAX_SNAPSHOT_BYTES
from activities.clients.store.store import Store, open_store
from activities.model.decision import Decision
from activities.model.diagnosis import Diagnosis
from activities.model.errors import NotFound, Rejected, StoreUnavailable
from activities.model.mode import LoopMode, Mode
from activities.model.snapshot import Snapshot, canonical_json, compute_digest
from activities.model.timeseries import Series
from activities.model.types import FrozenModel


class TextModel(FrozenModel):
    text: str


def make_snapshot(at: float = 1000.0) -> Snapshot:
    mode = Mode(loop="charter", name=LoopMode.ACT)
    return Snapshot(at=at, loop="charter", charter="charter", cycle_id="c", analysis="0" * 64, mode=mode)


async def test_what_is_put_is_got(store: Store) -> None:
    """The digest is that of the model, and the same value has one row."""
    name = await store.snapshots.put(make_snapshot(), "snapshot", 1000.0)
    assert name == compute_digest(make_snapshot())
    assert await store.snapshots.put(make_snapshot(), "snapshot", 1001.0) == name
    assert await store.snapshots.get(name, Snapshot) == make_snapshot()


@given(st.lists(st.none() | st.floats(), max_size=20), st.text(), st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=40, deadline=None)
def test_any_series_survives(values: list[float | None], component: str, metric: str) -> None:
    """NaN, infinities and any text are read back as they were put."""
    series = Series(component=component.encode(errors="replace").decode(), metric=metric, values=tuple(values))

    async def there_and_back() -> Series:
        store = await open_store("memory")
        got = await store.snapshots.get(await store.snapshots.put(series, "series", 0.0), Series)
        await store.close()
        return got

    assert canonical_json(asyncio.run(there_and_back())) == canonical_json(series)


async def test_one_too_large_is_rejected(store: Store) -> None:
    """A snapshot of more than 1 MiB compressed is refused and not stored."""
    large = TextModel(text=random.Random(1).randbytes(MAX_SNAPSHOT_BYTES).hex() * 2)
    with pytest.raises(Rejected, match="at most"):
        await store.snapshots.put(large, "blob", 0.0)
    with pytest.raises(NotFound):
        await store.snapshots.get(compute_digest(large), TextModel)


async def test_what_compresses_well_is_kept(store: Store) -> None:
    """The limit is on what is stored, not on what it unfolds to."""
    large = TextModel(text="x" * (4 * MAX_SNAPSHOT_BYTES))
    assert await store.snapshots.get(await store.snapshots.put(large, "blob", 0.0), TextModel) == large


async def test_age_and_pin(store: Store) -> None:
    """What is old goes, unless a plan came of it or it was put again."""
    old, pinned, renewed = [await store.snapshots.put(make_snapshot(float(i)), "snapshot", 0.0) for i in range(3)]
    await store.snapshots.pin(pinned)
    await store.snapshots.put(make_snapshot(1.0), "snapshot", 0.0)
    await store.snapshots.put(make_snapshot(2.0), "snapshot", 90.0)
    assert await store.snapshots.expire(100.0, 100.0) == 0
    assert await store.snapshots.expire(100.0, 50.0) == 1
    with pytest.raises(NotFound):
        await store.snapshots.get(old, Snapshot)
    for name in (pinned, renewed):
        assert (await store.snapshots.get(name, Snapshot)).loop == "charter"


async def test_a_decision_goes_with_its_snapshot(store: Store) -> None:
    """What was decided and led to no plan is kept no longer than what it was decided upon."""
    old, pinned = [await store.snapshots.put(make_snapshot(float(i)), "snapshot", 0.0) for i in range(2)]
    await store.snapshots.pin(pinned)
    decided = Decision(outcome="unknown", headline="unknown", diagnosis=Diagnosis(headline="unknown", at=0.0))
    for cycle, name in (("idle", old), ("planned", pinned)):
        await store.plans.put_decision(cycle, "charter", 0.0, decided, name)
    await store.snapshots.expire(100.0, 50.0)
    assert await store.plans.load_decision("idle") is None
    assert await store.plans.load_decision("planned") is not None


async def test_pinning_what_is_gone(store: Store) -> None:
    """A snapshot that is not there cannot be kept, and that is not passed over."""
    with pytest.raises(NotFound):
        await store.snapshots.pin("0" * 64)


@pytest.mark.parametrize("broken", [b"rubbish", bytes.fromhex("789c4bcd01000108006a")])
async def test_a_changed_content_is_not_believed(store: Store, broken: bytes) -> None:
    """A row whose content is not what its digest says is unavailable, not another snapshot."""
    name = await store.snapshots.put(make_snapshot(), "snapshot", 0.0)
    await store.database.write(lambda c: c.execute(update(snapshots).values(body=broken)))
    with pytest.raises(StoreUnavailable):
        await store.snapshots.get(name, Snapshot)
