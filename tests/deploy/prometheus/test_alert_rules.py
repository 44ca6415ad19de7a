"""Each alert can fire and can be silent, checked by promtool."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from deploy.devstack.render import REPOSITORY_ROOT
from tests.deploy.prometheus.rule_cases import CHARTER_ALERT_CASES, MAPEK_ALERT_CASES, AlertCase
from worker.observability.metrics import Metrics

pytestmark = pytest.mark.stack
RULES_FOLDER = REPOSITORY_ROOT / "deploy/prometheus/rules"
CASES_BY_FILE = {"charter-alerts.yml": CHARTER_ALERT_CASES, "mapek-alerts.yml": MAPEK_ALERT_CASES}


def load_rules(name: str) -> list[dict[str, Any]]:
    """Return the rules of a file."""
    return [rule for group in yaml.safe_load((RULES_FOLDER / name).read_text())["groups"] for rule in group["rules"]]


def make_promtool_test(case: AlertCase, series: dict[str, str], fires: bool, static: dict[str, str]) -> dict[str, Any]:
    """Return promtool's test of one alert; annotations are not compared."""
    expected = [{"exp_labels": static | case.labels}] if fires else []
    return {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected}],
    }


@pytest.mark.parametrize("file", CASES_BY_FILE)
def test_every_alert_fires_and_is_silent(server_binaries: dict[str, Path], tmp_path: Path, file: str) -> None:
    """An alert fires at the series of its case, and not at slightly different ones."""
    static = {rule["alert"]: rule["labels"] for rule in load_rules(file)}
    tests = []
    for case in CASES_BY_FILE[file]:
        tests += [
            make_promtool_test(case, series, True, static[case.alert]) for series in (case.fires, *case.more_labels)
        ]
        tests.append(make_promtool_test(case, case.silent, False, static[case.alert]))
    rules = yaml.safe_load((RULES_FOLDER / file).read_text())
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        del rule["annotations"]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    content = {"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": tests}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(content))
    command = [str(server_binaries["promtool"]), "test", "rules", str(tmp_path / "test.yml")]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr


@pytest.mark.parametrize("file", CASES_BY_FILE)
def test_every_alert_has_a_case_and_texts(server_binaries: dict[str, Path], file: str) -> None:
    """promtool accepts the file; every alert has a case, labels, a summary and a description."""
    command = [
        str(server_binaries["promtool"]),
        "check",
        "rules",
        "--lint=all",
        "--lint-fatal",
        str(RULES_FOLDER / file),
    ]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    assert {rule["alert"] for rule in load_rules(file)} == {case.alert for case in CASES_BY_FILE[file]}
    for rule in load_rules(file):
        assert {"severity", "team", "component"} <= set(rule["labels"])
        assert set(rule["annotations"]) == {"summary", "description"}


def test_charter_has_eleven_alerts() -> None:
    """3 critical, 7 warning, 1 info."""
    severities = [rule["labels"]["severity"] for rule in load_rules("charter-alerts.yml")]
    assert [severities.count(severity) for severity in ("critical", "warning", "info")] == [3, 7, 1]


def test_the_loop_exports_the_metrics_of_its_alerts() -> None:
    """The worker has every metric of a rule, with every label that the rule selects or groups by."""
    collectors = Metrics(CollectorRegistry()).by_name.values()
    exported = {
        family.name + ("_total" if family.type == "counter" else ""): set(collector._labelnames)
        for collector in collectors
        for family in collector.collect()
    }
    metric_count = 0
    for rule in load_rules("mapek-alerts.yml"):
        grouped = {name for group in re.findall(r"by \(([^)]*)\)", rule["expr"]) for name in group.split(", ") if name}
        for metric, selector in re.findall(r"((?:mapek|temporal)_\w+)(?:\{([^}]*)\})?", rule["expr"]):
            metric_count += 1
            assert grouped | set(re.findall(r"(\w+)!?=", selector)) <= exported[metric], (rule["alert"], metric)
    assert metric_count >= len(load_rules("mapek-alerts.yml"))
