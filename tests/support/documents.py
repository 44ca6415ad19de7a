"""The documents of the repository: their commands, links and headings, and the alerts that the runbook must list."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
COMMAND_DOCUMENTS = (ROOT / "README.md", ROOT / "deploy/RUNBOOK.md")
"""The documents whose commands the tests execute."""
CODE_BLOCK_PATTERN = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
INLINE_CODE_PATTERN = re.compile(r"`([^`\n]+)`")
HEADING_PATTERN = re.compile(r"(?m)^#+ (.+)$")
COMMAND_PREFIXES = (
    *("make", "mapek", ".venv/bin/mapek", ".venv/bin/python", "curl", "export", "touch"),
    *("docker", "kubectl", "pytest", "deploy/container/secrets.sh"),
)


def list_documents() -> list[Path]:
    """Return the documents at the root, the runbook and the index of deploy."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "deploy").glob("*.md")])


def list_commands() -> list[str]:
    """Return each command once in the order of the documents, without comments and with continued lines joined."""
    lines: dict[str, None] = {}
    for document in COMMAND_DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for language, block in CODE_BLOCK_PATTERN.findall(text):
            if not language:
                lines |= dict.fromkeys(map(strip_comment, block.replace("\\\n", " ").splitlines()))
        lines |= dict.fromkeys(map(strip_comment, INLINE_CODE_PATTERN.findall(CODE_BLOCK_PATTERN.sub("", text))))
    return [line for line in lines if line.split(" ")[0] in COMMAND_PREFIXES and " " in line]


def list_heading_anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub builds them."""
    headings = HEADING_PATTERN.findall(CODE_BLOCK_PATTERN.sub("", document.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def strip_comment(line: str) -> str:
    """Return a line without its comment and with single spaces."""
    return " ".join(re.sub(r"\s+#.*$", "", line).split())


def list_alert_names() -> list[str]:
    """Return the names of all alerts of the rule files."""
    files = sorted((ROOT / "deploy/prometheus/rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]
