"""A changed configuration: what takes effect, what is refused, what is written down."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from prometheus_client import CollectorRegistry

from activities.clients.store.store import Store, open_store
from activities.dependencies import LoopDependencies
from worker.config import reload
from worker.config.load import load_config
from worker.config.reload import ConfigReloader, describe_changes, diff_configs, find_restart_keys
from worker.observability.metrics import Metrics


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    """A store in memory."""
    opened = await open_store("memory")
    yield opened
    await opened.close()


def write_config(folder: Path, settings: dict[str, Any]) -> Path:
    """Write a configuration, over the one before."""
    file = folder / "mapek.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file


def make_config_reader(folder: Path) -> Any:
    """Return what reads it."""
    return lambda: load_config(folder / "mapek.yaml", state=folder / "state", environ={"MAPEK_POSTGRES_URL": ""})


def make_reloader(folder: Path, store: Store) -> ConfigReloader:
    """Return a worker's configuration as it began."""
    config = make_config_reader(folder)()

    def made(settings: Any) -> LoopDependencies:
        return LoopDependencies(settings, cast(Any, None), cast(Any, None))

    loops = {loop.name: made(loop) for loop in config.loops}
    return ConfigReloader(config, loops, made, store.audit, Metrics(CollectorRegistry()), lambda: 100.0, "w")


async def test_a_change_takes_effect_and_is_audited(store: Store, tmp_path: Path) -> None:
    """The parts the activities use have the new settings, and the audit says what changed from what to what."""
    write_config(tmp_path, {"plan": {"max_replicas": 15}})
    there = make_reloader(tmp_path, store)
    write_config(tmp_path, {"plan": {"max_replicas": 12}, "notify": {"targets": []}})
    await there.apply(make_config_reader(tmp_path))
    assert there.loops["charter"].settings.plan.max_replicas == 12
    (row,) = await store.audit.load_for_loop("charter")
    assert (row.kind, row.worker_identity, row.summary) == ("config", "w", "plan.max_replicas 15 → 12")
    await there.apply(make_config_reader(tmp_path))
    assert len(await store.audit.load_for_loop("charter")) == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"plan": {"max_replicas": 12, "min_confidense": 0.7}}, "did you mean min_confidence?"),
        (
            {"plan": {"max_replicas": 12}, "execute": {"charter_url": "http://10.0.0.1:1"}},
            "charter:execute.charter_url",
        ),
        ({"plan": {"max_replicas": 12}, "orchestrator": {"loop_interval": 9}}, "orchestrator.loop_interval"),
        ({"plan": {"max_replicas": 12}, "loops": [{"name": "other"}]}, "other:name"),
        ({"plan": {"max_replicas": 12}, "staging": {"use_mock_charter": True}}, "charter:simulator"),
    ],
)
async def test_the_last_good_one_stays(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, change: dict[str, Any], why: str
) -> None:
    """A mistake, or a change a running worker cannot take over, keeps all of it out; the log says why."""
    write_config(tmp_path, {"plan": {"max_replicas": 15}})
    there = make_reloader(tmp_path, store)
    write_config(tmp_path, change)
    await there.apply(make_config_reader(tmp_path))
    assert there.loops["charter"].settings.plan.max_replicas == there.config.loops[0].plan.max_replicas == 15
    assert why in caplog.text
    assert await store.audit.load_for_loop("charter") == ()
    assert there.metrics.registry.get_sample_value("mapek_config_reloads_total", {"result": "refused"}) == 1.0


async def test_the_file_is_watched(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new content is noticed, also after a moment without the file; the same content again is not."""
    monkeypatch.setattr(reload, "POLL_SECONDS", 0.02)
    file = write_config(tmp_path, {"plan": {"max_replicas": 15}})
    there = make_reloader(tmp_path, store)
    watching = asyncio.create_task(there.watch(make_config_reader(tmp_path)))
    await asyncio.sleep(0)
    file.unlink()
    await asyncio.sleep(0.1)
    write_config(tmp_path, {"plan": {"max_replicas": 12}})
    async with asyncio.timeout(5.0):
        while there.loops["charter"].settings.plan.max_replicas != 12:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.02)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


def test_each_loop_is_told_its_own_and_what_all_share(tmp_path: Path) -> None:
    """A change of one loop stands in its audit alone; one of the receivers in that of every loop; no secret in any."""
    loops = [{"name": "a"}, {"name": "b", "plan": {"max_replicas": 9}}]
    write_config(tmp_path, {"loops": loops})
    old = make_config_reader(tmp_path)()
    loops[1]["plan"] = {"max_replicas": 7}
    write_config(tmp_path, {"loops": loops, "links": {"runbook": "https://r"}})
    changes = diff_configs(old, make_config_reader(tmp_path)())
    assert find_restart_keys(changes) == ()
    assert describe_changes(changes, "a") == 'links.runbook "" → "https://r"'
    assert describe_changes(changes, "b") == 'plan.max_replicas 9 → 7; links.runbook "" → "https://r"'
