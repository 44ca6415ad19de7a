"""The documents: a test runs every command, every alert has an entry, and every link has a target."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.documents import (
    COMMAND_DOCUMENTS,
    ROOT,
    list_alert_names,
    list_commands,
    list_documents,
    list_heading_anchors,
)
from worker.config.load import load_config

README, RUNBOOK = COMMAND_DOCUMENTS

TEST_BY_COMMAND = {
    "make demo": "tests/end_to_end/test_demo.py",
    "make demo SEED=5": "tests/end_to_end/test_demo.py",
    "make test": ".ci/run",
    "make run": "tests/deploy/devstack/test_stack.py",
    ".venv/bin/python -m deploy.devstack run --keep": "tests/deploy/devstack/test_stack.py",
    "make cluster": "tests/cluster",
    "make help": "tests/test_documents.py",
    "make reference": "tests/deploy/tools/test_reference.py",
    "touch .mapek/kill-switch": "tests/end_to_end/test_runbook.py",
    "export MAPEK_CONFIG=mapek.yaml": "tests/end_to_end/mapek_command.py",
    "mapek worker": "tests/deploy/container/test_image.py",
    "pytest tests/end_to_end --stack URL": "tests/end_to_end/test_deployed.py",
}
"""The file that runs each command. tests/end_to_end/test_runbook.py runs the commands `mapek` and `curl`."""

MANUAL_MAKE_TARGETS = ("make bench", "make load", "make load-alerts", "make demo-seeds", "make simulate", "make soak")
"""Long measurements for the figures in the documents; a test checks only that the targets exist."""

CONTAINER_COMMANDS = ("docker ", "kubectl ")
"""Commands that need an engine; tests/deploy/container and tests/deploy/kubernetes check their files."""


def test_every_command_is_executed() -> None:
    """Each command of the documents is executed by a test."""
    mapek_commands = ("mapek ", ".venv/bin/mapek ", "curl ")
    other_commands = [
        command
        for command in list_commands()
        if not command.startswith((*mapek_commands, *CONTAINER_COMMANDS, *MANUAL_MAKE_TARGETS))
    ]
    assert [command for command in other_commands if command not in TEST_BY_COMMAND] == []
    assert [command for command in TEST_BY_COMMAND if command not in list_commands()] == []
    assert [path for path in TEST_BY_COMMAND.values() if not (ROOT / path).exists()] == []


def test_make_targets_exist() -> None:
    """Each `make` command names a target, and `make help` lists it."""
    help_text = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for command in list_commands():
        if command.startswith("make "):
            assert f"make {command.split()[1]} " in help_text or command == "make help"


def test_paths_in_container_commands_exist() -> None:
    """The files and folders in commands for Docker and Kubernetes exist."""
    for command in list_commands():
        if command.startswith(CONTAINER_COMMANDS):
            paths = [path for path in re.findall(r"deploy/[\w./-]*", command) if "/mapek" not in path]
            assert [path for path in paths if not (ROOT / path).exists()] == []


def test_readme_configuration_is_valid(tmp_path: Path) -> None:
    """MAPE-K accepts each complete configuration in README."""
    blocks = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    complete = [block for block in blocks if "orchestrator" in yaml.safe_load(block)]
    assert complete
    for block in complete:
        file = tmp_path / "mapek.yaml"
        file.write_text(block)
        assert load_config(file, state=tmp_path, environ={}).orchestrator.mode == "production"


@pytest.mark.parametrize("alert", list_alert_names())
def test_every_alert_has_an_entry(alert: str) -> None:
    """A row of the runbook begins with the alert's name."""
    assert re.search(rf"(?m)^\| (?:`\w+`, )*`{alert}`", RUNBOOK.read_text(encoding="utf-8"))


@pytest.mark.parametrize("document", list_documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_have_targets(document: Path) -> None:
    """The target of each relative link exists, including the heading of its anchor."""
    links = re.findall(r"\]\((?!https?:|\{)([^)\s]+)\)", document.read_text(encoding="utf-8"))
    broken = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in list_heading_anchors(target)):
            broken.append(link)
    assert broken == []
