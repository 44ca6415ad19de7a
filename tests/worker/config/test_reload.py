"""A changed configuration: what takes effect, what is rejected, what is audited."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from prometheus_client import CollectorRegistry

from activities.clients.store.store import Store, open_store
from activities.dependencies import LoopDependencies
from activities.settings import LoopSettings
from worker.config import reload
from worker.config.load import Config, load_config
from worker.config.reload import ConfigReloader, describe_changes, diff_configs, find_restart_keys
from worker.observability.metrics import Metrics


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    """A store in memory."""
    memory_store = await open_store("memory")
    yield memory_store
    await memory_store.close()


def write_config(folder: Path, settings: dict[str, Any]) -> Path:
    """Write the configuration file."""
    file = folder / "mapek.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file


def make_config_reader(folder: Path) -> Callable[[], Config]:
    """Return a function that loads the configuration file."""
    return lambda: load_config(folder / "mapek.yaml", state=folder / "state", environ={"MAPEK_POSTGRES_URL": ""})


def make_reloader(folder: Path, store: Store) -> ConfigReloader:
    """Return the reloader of a worker with the present configuration file."""
    config = make_config_reader(folder)()

    def build_loop(settings: LoopSettings) -> LoopDependencies:
        return LoopDependencies(settings, cast(Any, None), cast(Any, None))

    loops = {loop.name: build_loop(loop) for loop in config.loops}
    return ConfigReloader(config, loops, build_loop, store.audit, Metrics(CollectorRegistry()), lambda: 100.0, "w")


async def test_a_change_takes_effect_and_is_audited(store: Store, tmp_path: Path) -> None:
    """The activities get the new settings, and the audit log has the old and the new value."""
    write_config(tmp_path, {"plan": {"max_replicas": 15}})
    reloader = make_reloader(tmp_path, store)
    write_config(tmp_path, {"plan": {"max_replicas": 12}, "notify": {"targets": []}})
    await reloader.apply(make_config_reader(tmp_path))
    assert reloader.loops["charter"].settings.plan.max_replicas == 12
    (row,) = await store.audit.load_for_loop("charter")
    assert (row.kind, row.worker_identity, row.summary) == ("config", "w", "plan.max_replicas 15 → 12")
    await reloader.apply(make_config_reader(tmp_path))
    assert len(await store.audit.load_for_loop("charter")) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
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
async def test_a_rejected_change_keeps_the_last_valid_configuration(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, change: dict[str, Any], reason: str
) -> None:
    """A problem, or a key that needs a restart, rejects the whole change; the log has the reason."""
    write_config(tmp_path, {"plan": {"max_replicas": 15}})
    reloader = make_reloader(tmp_path, store)
    write_config(tmp_path, change)
    await reloader.apply(make_config_reader(tmp_path))
    assert reloader.loops["charter"].settings.plan.max_replicas == reloader.config.loops[0].plan.max_replicas == 15
    assert reason in caplog.text
    assert await store.audit.load_for_loop("charter") == ()
    assert reloader.metrics.registry.get_sample_value("mapek_config_reloads_total", {"result": "refused"}) == 1.0


async def test_a_changed_file_is_noticed(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New content is applied, also after the file was missing; unchanged content is not."""
    monkeypatch.setattr(reload, "POLL_SECONDS", 0.02)
    file = write_config(tmp_path, {"plan": {"max_replicas": 15}})
    reloader = make_reloader(tmp_path, store)
    watching = asyncio.create_task(reloader.watch(make_config_reader(tmp_path)))
    await asyncio.sleep(0)
    file.unlink()
    await asyncio.sleep(0.1)
    write_config(tmp_path, {"plan": {"max_replicas": 12}})
    async with asyncio.timeout(5.0):
        while reloader.loops["charter"].settings.plan.max_replicas != 12:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.02)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


def test_each_loop_gets_its_own_and_the_shared_changes(tmp_path: Path) -> None:
    """A change of one loop is in its audit only; a change of a shared section is in that of every loop."""
    loops: list[dict[str, Any]] = [{"name": "a"}, {"name": "b", "plan": {"max_replicas": 9}}]
    write_config(tmp_path, {"loops": loops})
    old = make_config_reader(tmp_path)()
    loops[1]["plan"] = {"max_replicas": 7}
    write_config(tmp_path, {"loops": loops, "links": {"runbook": "https://r"}})
    changes = diff_configs(old, make_config_reader(tmp_path)())
    assert find_restart_keys(changes) == ()
    assert describe_changes(changes, "a") == 'links.runbook "" → "https://r"'
    assert describe_changes(changes, "b") == 'plan.max_replicas 9 → 7; links.runbook "" → "https://r"'
