import contextlib
import json
import stat
from pathlib import Path

import pytest

from deploy.devstack.errors import UsageError
from deploy.devstack.state import StateDirectory


def file_mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_its_owner_can_read(tmp_path: Path) -> None:
    """Folders are 0700 and tokens 0600, also in a folder that was open to all."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    with contextlib.closing(StateDirectory(folder)) as state:
        state.prepare(keep_data=False)
        assert [file_mode(path) for path in (folder, state.logs)] == [0o700, 0o700]
        assert [file_mode(folder / name) for name in ("charter.token", "webhook.token")] == [0o600, 0o600]


def test_tokens_are_new_for_each_stack(tmp_path: Path) -> None:
    """Two tokens for each stack, all different, also with --keep."""
    tokens = set()
    for keep in (False, True):
        with contextlib.closing(StateDirectory(tmp_path / "state")) as state:
            state.prepare(keep)
            tokens |= {(state.path / name).read_text() for name in ("charter.token", "webhook.token")}
    assert len(tokens) == 4


def test_one_stack_at_a_time(tmp_path: Path) -> None:
    """The same folder for a second stack is refused with the first one's process id; afterwards it is free."""
    with (
        contextlib.closing(StateDirectory(tmp_path / "state")),
        pytest.raises(UsageError, match=r"in use by another stack \(process \d+\)"),
    ):
        StateDirectory(tmp_path / "state")
    StateDirectory(tmp_path / "state").close()


def test_foreign_folder_is_refused(tmp_path: Path) -> None:
    """A folder with something else in it is not taken over."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds something else"):
        StateDirectory(tmp_path)


def test_clean_start_removes_only_its_own(tmp_path: Path) -> None:
    """A clean start removes the previous stack's data, and nothing that a person put beside it."""
    for _ in range(2):
        with contextlib.closing(StateDirectory(tmp_path / "state")) as state:
            state.prepare(keep_data=False)
            assert not (state.path / "knowledge.db").exists()
            for name in ("knowledge.db", "notes.txt", "logs/worker.log"):
                (state.path / name).write_text("x")
    assert (tmp_path / "state/notes.txt").exists()


def test_keep_keeps_the_data(tmp_path: Path) -> None:
    """With keep, data and logs stay; a run.json left by a killed stack does not."""
    with contextlib.closing(StateDirectory(tmp_path / "state")) as state:
        state.prepare(keep_data=False)
        for name in ("temporal.db", "logs/worker.log"):
            (state.path / name).write_text("x")
        state.write_run_file({"mapek": "http://127.0.0.1:8001"})
        state.prepare(keep_data=True)
        assert (state.path / "temporal.db").exists()
        assert (state.logs / "worker.log").exists()
        assert not state.run_file.exists()


def test_run_file(tmp_path: Path) -> None:
    """run.json is JSON that only its owner can read, and goes away."""
    with contextlib.closing(StateDirectory(tmp_path / "state")) as state:
        state.write_run_file({"pids": {"worker": 1}})
        assert json.loads(state.run_file.read_text()) == {"pids": {"worker": 1}}
        assert file_mode(state.run_file) == 0o600
        state.remove_run_file()
        assert not state.run_file.exists()
