"""README and runbook: every command is executed by a test, every alert has its entry, every link leads somewhere."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.documents import DOCUMENTS, ROOT, list_alert_names, list_commands
from worker.config.load import load_config

RUNBOOK = DOCUMENTS[1].read_text(encoding="utf-8")

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
"""Which file executes what; verbs of `mapek` and calls of the simulator: tests/end_to_end/test_runbook.py."""

MANUAL_MAKE_TARGETS = ("make bench", "make load", "make load-alerts", "make demo-seeds", "make simulate", "make soak")
"""They give the figures the documents quote, take long, and are run by hand; that they are targets is checked."""

CONTAINER_COMMANDS = ("docker ", "kubectl ")
"""Read by real implementations instead: tests/deploy/container, tests/deploy/kubernetes."""


def test_every_command_is_executed() -> None:
    """A new command in a document needs a test that executes it."""
    verbs = ("mapek ", ".venv/bin/mapek ", "curl ")
    rest = [one for one in list_commands() if not one.startswith((*verbs, *CONTAINER_COMMANDS, *MANUAL_MAKE_TARGETS))]
    assert [one for one in rest if one not in TEST_BY_COMMAND] == []
    assert [
        one for one, where in TEST_BY_COMMAND.items() if one not in list_commands() or not (ROOT / where).exists()
    ] == []


def test_targets_exist() -> None:
    """Each `make` command names a target, and `make help` lists it."""
    listed = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for command in list_commands():
        if command.startswith("make "):
            assert f"make {command.split()[1]} " in listed or command == "make help"


def test_what_needs_an_engine_names_what_is_there() -> None:
    """The files and folders in commands for Docker and Kubernetes exist."""
    for command in list_commands():
        if command.startswith(CONTAINER_COMMANDS):
            assert all(
                (ROOT / path).exists() for path in re.findall(r"deploy/[\w./-]*", command) if "/mapek" not in path
            )


def test_the_configuration_of_the_readme_is_one(tmp_path: Path) -> None:
    """What README shows as a configuration is accepted as it stands."""
    blocks = re.findall(r"```yaml\n(.*?)```", DOCUMENTS[0].read_text(encoding="utf-8"), re.DOTALL)
    whole = [block for block in blocks if "orchestrator" in yaml.safe_load(block)]
    assert whole
    for block in whole:
        file = tmp_path / "mapek.yaml"
        file.write_text(block)
        assert load_config(file, state=tmp_path, environ={}).orchestrator.mode == "production"


@pytest.mark.parametrize("alert", list_alert_names())
def test_every_alert_has_an_entry(alert: str) -> None:
    """Who is woken by an alert finds its name at the beginning of a row of the runbook."""
    assert re.search(rf"(?m)^\| (?:`\w+`, )*`{alert}`", RUNBOOK)


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "SECURITY.md"], ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document is a file or folder of this repository."""
    links = re.findall(r"\]\((?!https?:|#|\{)([^)\s]+)\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link.split("#")[0]).exists()] == []
