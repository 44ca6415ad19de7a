"""The release: reproducible wheel, complete SBOM, and checks that fail without data."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.devstack.render import REPOSITORY_ROOT
from deploy.tools.release.__main__ import build_wheel, compute_sha256, write_sbom


def find_tool(name: str) -> str:
    """Return the path of a program of the virtual environment."""
    return str(Path(sys.executable).with_name(name))


def test_two_builds_are_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another umask, time zone and folder give the same bytes; neither tests nor deploy are in the wheel."""
    first = build_wheel(tmp_path)
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    (tmp_path / "other").mkdir()
    previous_umask = os.umask(0o077)
    try:
        second = build_wheel(tmp_path / "other")
    finally:
        os.umask(previous_umask)
    assert compute_sha256(first) == compute_sha256(second)
    folders = {name.split("/")[0] for name in zipfile.ZipFile(first).namelist()}
    assert {folder for folder in folders if not folder.endswith(".dist-info")} == {"activities", "workflows", "worker"}


def test_the_sbom_is_complete(tmp_path: Path) -> None:
    """Every pinned dependency is in the SBOM with its version and hashes."""
    sbom = json.loads(write_sbom(tmp_path / "sbom.json").read_text())
    assert sbom["bomFormat"] == "CycloneDX"
    listed = {(component["name"].lower(), component["version"]) for component in sbom["components"]}
    pinned = re.findall(r"(?m)^([\w.-]+)==([^ ;\\]+)", (REPOSITORY_ROOT / "requirements.txt").read_text())
    assert {(name.lower(), version) for name, version in pinned} <= listed
    assert all(component["externalReferences"][0]["hashes"] for component in sbom["components"])


def test_bandit_finds_no_problem() -> None:
    """bandit finds no problem in the product; pyproject.toml lists each exception with its reason."""
    command = [find_tool("bandit"), "-q", "-c", "pyproject.toml", "-r", "workflows", "activities", "worker", "deploy"]
    process = subprocess.run(command, cwd=REPOSITORY_ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout


def test_the_audit_fails_without_its_data(tmp_path: Path) -> None:
    """`make audit` fails if the list of known vulnerabilities is unreachable."""
    shutil.copy(REPOSITORY_ROOT / "deploy/tools/release/audit.sh", tmp_path)
    unreachable_proxies = dict.fromkeys(
        ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), "http://127.0.0.1:9"
    )
    environment = {**os.environ, **unreachable_proxies, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    pinned = tmp_path / "requirements.txt"
    pinned.write_text(f"pyyaml==6.0.2 --hash=sha256:{'0' * 64}\n")
    command = ["/bin/sh", str(tmp_path / "audit.sh"), str(pinned)]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode != 0
    assert "No known vulnerabilities" not in process.stdout + process.stderr
