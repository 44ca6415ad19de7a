import contextlib
import json
import stat
from pathlib import Path

import pytest

from deploy.devstack.errors import UsageError
from deploy.devstack.state import StateDirectory


def file_mode(path: Path) -> int:
    """Return the permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_only_its_owner_can_read(tmp_path: Path) -> None:
    """Folders are 0700 and tokens 0600, also in an existing folder with mode 0755."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    with contextlib.closing(StateDirectory(folder)) as state:
        state.prepare(keep_data=False)
        assert [file_mode(path) for path in (folder, state.logs)] == [0o700, 0o700]
        assert [file_mode(folder / name) for name in ("charter.token", "webhook.token")] == [0o600, 0o600]


def test_tokens_are_new_for_each_stack(tmp_path: Path) -> None:
    """Each stack gets two new tokens, also with --keep."""
    tokens = set()
    for keep in (False, True):
        with contextlib.closing(StateDirectory(tmp_path / "state")) as state:
            state.prepare(keep)
            tokens |= {(state.path / name).read_text() for name in ("charter.token", "webhook.token")}
    assert len(tokens) == 4


def test_second_stack_in_a_folder_is_refused(tmp_path: Path) -> None:
    """The error has the first stack's process id; after its end the folder is free."""
    with (
        contextlib.closing(StateDirectory(tmp_path / "state")),
        pytest.raises(UsageError, match=r"in use by another stack \(process \d+\)"),
    ):
        StateDirectory(tmp_path / "state")
    StateDirectory(tmp_path / "state").close()


def test_foreign_folder_is_refused(tmp_path: Path) -> None:
    """A folder with files of another program is refused."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="contains files of another program"):
        StateDirectory(tmp_path)


def test_clean_start_removes_only_the_stack_files(tmp_path: Path) -> None:
    """A clean start removes the previous stack's data and no file of the operator."""
    for _ in range(2):
        with contextlib.closing(StateDirectory(tmp_path / "state")) as state:
            state.prepare(keep_data=False)
            assert not (state.path / "knowledge.db").exists()
            for name in ("knowledge.db", "notes.txt", "logs/worker.log"):
                (state.path / name).write_text("x")
    assert (tmp_path / "state/notes.txt").exists()


def test_keep_data_preserves_data_and_logs(tmp_path: Path) -> None:
    """Data and logs stay; the run.json of a killed stack is removed."""
    with contextlib.closing(StateDirectory(tmp_path / "state")) as state:
        state.prepare(keep_data=False)
        for name in ("temporal.db", "logs/worker.log"):
            (state.path / name).write_text("x")
        state.write_run_file({"mapek": "http://127.0.0.1:8001"})
        state.prepare(keep_data=True)
        assert (state.path / "temporal.db").exists()
        assert (state.logs / "worker.log").exists()
        assert not state.run_file.exists()


def test_run_file_is_private_and_removable(tmp_path: Path) -> None:
    """run.json is JSON that only its owner can read, and can be removed."""
    with contextlib.closing(StateDirectory(tmp_path / "state")) as state:
        state.write_run_file({"pids": {"worker": 1}})
        assert json.loads(state.run_file.read_text()) == {"pids": {"worker": 1}}
        assert file_mode(state.run_file) == 0o600
        state.remove_run_file()
        assert not state.run_file.exists()
