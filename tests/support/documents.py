"""The commands that README and runbook tell people to type, and the alerts the runbook has to know."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", ROOT / "deploy/RUNBOOK.md")
CODE_BLOCK_PATTERN = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
INLINE_CODE_PATTERN = re.compile(r"`([^`\n]+)`")
COMMAND_PREFIXES = (
    *("make", "mapek", ".venv/bin/mapek", ".venv/bin/python", "curl", "export", "touch"),
    *("docker", "kubectl", "pytest", "deploy/container/secrets.sh"),
)
EXCLUDED_COMMANDS = frozenset({"mapek", "mapek worker", "mapek.yaml"})


def list_commands() -> list[str]:
    """Return every command once, in the order of the documents, without comments and continued lines as one."""
    found: dict[str, None] = {}
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for language, block in CODE_BLOCK_PATTERN.findall(text):
            if not language:
                found |= dict.fromkeys(map(strip_comment, block.replace("\\\n", " ").splitlines()))
        found |= dict.fromkeys(map(strip_comment, INLINE_CODE_PATTERN.findall(CODE_BLOCK_PATTERN.sub("", text))))
    return [one for one in found if one.split(" ")[0] in COMMAND_PREFIXES and " " in one]


def strip_comment(line: str) -> str:
    """Return a line without its comment and with single spaces."""
    return " ".join(re.sub(r"\s+#.*$", "", line).split())


def list_alert_names() -> list[str]:
    """Return the names of all alerts of the rule files."""
    files = sorted((ROOT / "deploy/prometheus/rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]
