"""The lock that allows one worker on an SQLite store."""

from pathlib import Path
from typing import Any

import pytest

from activities.knowledge.settings import KnowledgeSettings
from activities.model.errors import ConfigurationError
from activities.settings import LoopSettings
from worker.config.load import Config
from worker.sqlite_lock import exclusive_sqlite_worker


def make_config(folder: Path, *, simulator: bool = False, database: str = "sqlite") -> Config:
    knowledge = KnowledgeSettings.model_validate({"database": database, "sqlite_path": folder / "knowledge.db"})
    return Config.model_construct(loops=(LoopSettings(simulator=simulator, knowledge=knowledge),))


def test_a_second_worker_on_a_store_is_refused(tmp_path: Path) -> None:
    """The error names the fix; after the first worker the lock is free."""
    alone, refused = (
        exclusive_sqlite_worker(make_config(tmp_path)),
        pytest.raises(ConfigurationError, match="MAPEK_POSTGRES_URL"),
    )
    with alone, refused, exclusive_sqlite_worker(make_config(tmp_path)):
        pytest.fail("two workers hold the lock")
    with exclusive_sqlite_worker(make_config(tmp_path)):
        pass


@pytest.mark.parametrize("options", [{"simulator": True}, {"database": "postgres"}, {"database": "memory"}])
def test_other_stores_have_no_lock(tmp_path: Path, options: dict[str, Any]) -> None:
    """A database server and the simulator's store allow several workers."""
    with (
        exclusive_sqlite_worker(make_config(tmp_path, **options)),
        exclusive_sqlite_worker(make_config(tmp_path, **options)),
    ):
        assert not list(tmp_path.iterdir())
