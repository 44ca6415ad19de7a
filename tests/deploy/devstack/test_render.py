"""The rendered configurations, checked with the servers' own tools."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.devstack.errors import UsageError
from deploy.devstack.layout import build_layout
from deploy.devstack.ports import PortAllocator
from deploy.devstack.profiles import TIMING_PROFILES
from deploy.devstack.render import REPOSITORY_ROOT, render_recording_rules, write_configs
from deploy.devstack.state import StateDirectory
from worker.config.load import load_config

pytestmark = pytest.mark.stack
RenderFunction = Callable[..., Path]


@pytest.fixture
def render(tmp_path: Path) -> Iterator[RenderFunction]:
    """Return a function that renders all configurations into a state folder and returns it."""
    with contextlib.closing(StateDirectory(tmp_path / "state")) as state, contextlib.closing(PortAllocator()) as ports:
        state.prepare(keep_data=False)

        def write(profile: str = "real", **user: Any) -> Path:
            write_configs(build_layout(user, profile, state.path, ports), state)
            return state.path

        yield write


def run_checker(*command: str | Path) -> str:
    """Return the output of a checking tool; a failed check fails the test."""
    completed = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


@pytest.mark.parametrize("profile", TIMING_PROFILES)
def test_rendered_configs_are_valid(server_binaries: dict[str, Path], render: RenderFunction, profile: str) -> None:
    """promtool and amtool accept the rendered configurations and find the rules."""
    folder = render(profile)
    assert "4 rules found" in run_checker(
        server_binaries["promtool"], "check", "config", folder / "prometheus/prometheus.yml"
    )
    run_checker(server_binaries["amtool"], "check-config", folder / "alertmanager/alertmanager.yml")


def test_repository_files_are_valid(server_binaries: dict[str, Path]) -> None:
    """The repository's files are valid before rendering."""
    folder = REPOSITORY_ROOT / "deploy/prometheus"
    # Syntax only: the token file does not exist here.
    run_checker(server_binaries["promtool"], "check", "config", "--syntax-only", folder / "prometheus.yml")
    assert "4 rules found" in run_checker(
        server_binaries["promtool"], "check", "rules", folder / "rules/charter-recording.yml"
    )
    run_checker(server_binaries["amtool"], "check-config", REPOSITORY_ROOT / "deploy/alertmanager/alertmanager.yml")


@pytest.mark.parametrize("profile", TIMING_PROFILES)
def test_mapek_accepts_its_config(render: RenderFunction, profile: str) -> None:
    """MAPE-K accepts its rendered configuration, which declares Charter as the simulator."""
    folder = render(profile)
    config = load_config(folder / "mapek.yaml", state=folder, environ={})
    assert config.notes == ()
    assert config.staging.use_mock_charter


def test_profiles_set_scrape_and_rule_timings(render: RenderFunction) -> None:
    """real: scrapes and rules every 15 s over 60 s; demo: every second over 5 s."""
    for profile, interval, window in (("real", "15s", "[60s]"), ("demo", "1s", "[5s]")):
        folder = render(profile)
        timings = yaml.safe_load((folder / "prometheus/prometheus.yml").read_text())["global"]
        assert (timings["scrape_interval"], timings["evaluation_interval"]) == (interval, interval)
        assert (folder / "prometheus/rules.yml").read_text().count(window) == 3


def test_user_timings_reach_prometheus(render: RenderFunction) -> None:
    """The user's timings reach Prometheus, including fractions of a second."""
    folder = render(monitor={"scrape_interval": 0.5, "rate_window": "2m"})
    timings = yaml.safe_load((folder / "prometheus/prometheus.yml").read_text())["global"]
    assert timings["scrape_interval"] == timings["scrape_timeout"] == "500ms"
    assert "[120s]" in (folder / "prometheus/rules.yml").read_text()
    with pytest.raises(UsageError, match="'soon' is not a duration"):
        render(monitor={"scrape_interval": "soon"})


def test_configurations_contain_no_secrets(render: RenderFunction) -> None:
    """Every configuration names the token's file and never contains the token."""
    folder = render()
    tokens = [(folder / name).read_text().strip() for name in ("charter.token", "webhook.token")]
    texts = [path.read_text() for path in folder.rglob("*.y*ml")]
    assert len(texts) == 4
    assert not [token for token in tokens for text in texts if token in text]


PREFIX = "westworld_charter"
# Scrapes every 15 s. `works` validates 10/s at 2 ms and fails 1/s; `fine` never had a violation; `dead` validates
# nothing; `silent` is not scraped after two minutes.
PROMETHEUS_SERIES = {
    f'{PREFIX}_metric_validation_latency_ns_count{{node_or_service="works"}}': "0+150x20",
    f'{PREFIX}_metric_validation_latency_ns_sum{{node_or_service="works"}}': "0+300000000x20",
    f'{PREFIX}_violations_total{{node_or_service="works",severity="high"}}': "0+10x20",
    f'{PREFIX}_violations_total{{node_or_service="works",severity="low"}}': "0+5x20",
    f'{PREFIX}_metric_validation_latency_ns_count{{node_or_service="fine"}}': "0+150x20",
    f'{PREFIX}_metric_validation_latency_ns_sum{{node_or_service="fine"}}': "0+300000000x20",
    f'{PREFIX}_metric_validation_latency_ns_count{{node_or_service="dead"}}': "500x20",
    f'{PREFIX}_metric_validation_latency_ns_sum{{node_or_service="dead"}}': "500x20",
    f'{PREFIX}_violations_total{{node_or_service="dead",severity="high"}}': "7x20",
    f'{PREFIX}_metric_validation_latency_ns_count{{node_or_service="silent"}}': "0+150x8 stale",
    f'{PREFIX}_metric_validation_latency_ns_sum{{node_or_service="silent"}}': "0+300000000x8 stale",
    f'{PREFIX}_audit_committee_size{{node_or_service="works",job="charter",instance="a"}}': "5x20",
    f'{PREFIX}_audit_committee_size{{node_or_service="works",job="charter",instance="b"}}': "5x20",
}
EXPECTED_VALUES: dict[str, dict[str, float]] = {
    "throughput_ops_per_sec": {"works": 10, "fine": 10, "dead": 0},
    "validation_latency_seconds": {"works": 0.002, "fine": 0.002},
    "failure_rate": {"works": 0.1, "fine": 0},
    "committee_size": {"works": 5},
}


def test_recording_rules_have_values_only_where_known(server_binaries: dict[str, Path], tmp_path: Path) -> None:
    """A dead component has only throughput 0, a silent one no value half a scrape later, one without violations 0."""
    with contextlib.closing(PortAllocator()) as ports:
        (tmp_path / "rules.yml").write_text(render_recording_rules(build_layout({}, "real", tmp_path, ports)))
    queries = [
        {
            "expr": f"{PREFIX}_{name}",
            "eval_time": "150s",
            "exp_samples": [
                {"labels": f'{PREFIX}_{name}{{node_or_service="{component}"}}', "value": value}
                for component, value in values.items()
            ],
        }
        for name, values in EXPECTED_VALUES.items()
    ]
    series = [{"series": name, "values": values} for name, values in PROMETHEUS_SERIES.items()]
    test = {"interval": "15s", "input_series": series, "promql_expr_test": queries}
    content = {"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": [test]}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(content))
    run_checker(server_binaries["promtool"], "test", "rules", tmp_path / "test.yml")
