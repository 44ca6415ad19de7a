"""What is handed out: equal bytes whoever builds it, everything in it named, and checks that fail when blind."""

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
    return str(Path(sys.executable).with_name(name))


def test_two_builds_are_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another umask, time zone and folder give the same bytes; neither tests nor deploy are in them."""
    first = build_wheel(tmp_path)
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    (tmp_path / "other").mkdir()
    before = os.umask(0o077)
    try:
        second = build_wheel(tmp_path / "other")
    finally:
        os.umask(before)
    assert compute_sha256(first) == compute_sha256(second)
    tops = {name.split("/")[0] for name in zipfile.ZipFile(first).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"activities", "workflows", "worker"}


def test_the_bill_names_everything(tmp_path: Path) -> None:
    """Every pinned dependency is in the SBOM with its version and hashes."""
    bill = json.loads(write_sbom(tmp_path / "bill.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    named = {(one["name"].lower(), one["version"]) for one in bill["components"]}
    pinned = re.findall(r"(?m)^([\w.-]+)==([^ ;\\]+)", (REPOSITORY_ROOT / "requirements.txt").read_text())
    assert {(name.lower(), version) for name, version in pinned} <= named
    assert all(one["externalReferences"][0]["hashes"] for one in bill["components"])


def test_bandit() -> None:
    """bandit finds nothing in the product; what it is told to pass over stands in pyproject.toml with its reason."""
    command = [find_tool("bandit"), "-q", "-c", "pyproject.toml", "-r", "workflows", "activities", "worker", "deploy"]
    found = subprocess.run(command, cwd=REPOSITORY_ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_the_audit_fails_when_it_sees_nothing(tmp_path: Path) -> None:
    """`make audit` is no good news while the list of known vulnerabilities cannot be reached."""
    shutil.copy(REPOSITORY_ROOT / "deploy/tools/release/audit.sh", tmp_path)
    nowhere = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), "http://127.0.0.1:9")
    environment = {**os.environ, **nowhere, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    pinned = tmp_path / "requirements.txt"
    pinned.write_text(f"pyyaml==6.0.2 --hash=sha256:{'0' * 64}\n")
    command = ["/bin/sh", str(tmp_path / "audit.sh"), str(pinned)]
    audited = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert audited.returncode != 0
    assert "No known vulnerabilities" not in audited.stdout + audited.stderr
