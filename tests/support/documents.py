"""The commands that README and runbook tell people to type, and the alerts the runbook has to know."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", ROOT / "deploy/RUNBOOK.md")
FENCE = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
FIRST_WORDS = (
    *("make", "mapek", ".venv/bin/mapek", ".venv/bin/python", "curl", "export", "touch"),
    *("docker", "kubectl", "pytest", "deploy/container/secrets.sh"),
)
NOT_TYPED = frozenset({"mapek", "mapek worker", "mapek.yaml"})


def commands() -> list[str]:
    """Return every command once, in the order of the documents, without comments and continued lines as one."""
    found: dict[str, None] = {}
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for language, block in FENCE.findall(text):
            if not language:
                found |= dict.fromkeys(map(bare, block.replace("\\\n", " ").splitlines()))
        found |= dict.fromkeys(map(bare, INLINE.findall(FENCE.sub("", text))))
    return [one for one in found if one.split(" ")[0] in FIRST_WORDS and " " in one]


def bare(line: str) -> str:
    """Return a line without its comment and with single spaces."""
    return " ".join(re.sub(r"\s+#.*$", "", line).split())


def alerts() -> list[str]:
    """Return the names of all alerts of the rule files."""
    files = sorted((ROOT / "deploy/prometheus/rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]
