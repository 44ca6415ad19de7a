"""How many workers one store may have."""

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


def test_a_second_worker_on_a_file_is_refused(tmp_path: Path) -> None:
    """It is told what to set instead; once the first one has ended, the file is free."""
    alone, refused = (
        exclusive_sqlite_worker(make_config(tmp_path)),
        pytest.raises(ConfigurationError, match="MAPEK_POSTGRES_URL"),
    )
    with alone, refused, exclusive_sqlite_worker(make_config(tmp_path)):
        pytest.fail("two workers hold one file")
    with exclusive_sqlite_worker(make_config(tmp_path)):
        pass


@pytest.mark.parametrize("given", [{"simulator": True}, {"database": "postgres"}, {"database": "memory"}])
def test_where_nothing_is_held(tmp_path: Path, given: dict[str, Any]) -> None:
    """A server takes as many as there are, and so does the simulator's file."""
    with (
        exclusive_sqlite_worker(make_config(tmp_path, **given)),
        exclusive_sqlite_worker(make_config(tmp_path, **given)),
    ):
        assert not list(tmp_path.iterdir())
