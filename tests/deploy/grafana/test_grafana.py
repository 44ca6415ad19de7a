"""Dashboards and provisioning as files; tests/end_to_end/test_dashboards.py runs their queries."""

import re
from typing import Any

import yaml

from deploy.devstack.render import REPOSITORY_ROOT
from deploy.simulator.metrics import METRIC_PREFIX, METRICS
from deploy.tools.dashboards.__main__ import DASHBOARDS, DASHBOARDS_DIR, build_dashboards
from deploy.tools.dashboards.panel import DATA_SOURCE, build_dashboard
from deploy.tools.generated import find_outdated
from worker.config.load import Config
from worker.config.schema import LinksSettings

GRAFANA_FOLDER = REPOSITORY_ROOT / "deploy/grafana"


def read_yaml(path: str) -> Any:
    """Return the content of a YAML file of the repository."""
    return yaml.safe_load((REPOSITORY_ROOT / path).read_text())


def test_the_dashboards_are_current() -> None:
    """Every file equals the generated one, and there are no others."""
    assert find_outdated(build_dashboards()) == {}, "run `make reference`"
    assert {path.name for path in DASHBOARDS_DIR.iterdir()} == {f"{dashboard.uid}.json" for dashboard in DASHBOARDS}


def test_panels_have_a_position_and_a_data_source() -> None:
    """Panels do not overlap, titles are unique, every query uses the provisioned data source."""
    for dashboard in DASHBOARDS:
        panels = build_dashboard(dashboard)["panels"]
        positions = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
        assert len(positions) == len(panels) == len({panel["title"] for panel in panels})
        assert all(target["datasource"] == DATA_SOURCE for panel in panels for target in panel["targets"])


def test_variables_are_defined() -> None:
    """Every variable of a query or a link is defined by the dashboard or by Grafana."""
    for dashboard in DASHBOARDS:
        defined = {variable.name for variable in dashboard.variables} | {"__rate_interval"}
        texts = [expr for panel in dashboard.panels for _, expr in panel.queries] + [url for _, url in dashboard.links]
        used = {name for text in texts for name in re.findall(r"\$\{?(\w+)", text)}
        assert used <= defined


def test_every_metric_of_charter_is_shown() -> None:
    """Each of Charter's fifteen metrics has a panel."""
    queries = " ".join(expr for dashboard in DASHBOARDS for panel in dashboard.panels for _, expr in panel.queries)
    assert len(METRICS) == 15
    assert [metric.name for metric in METRICS if f"{METRIC_PREFIX}{metric.name}" not in queries] == []


def test_provisioning_matches_the_dashboards() -> None:
    """The data source has the uid of the panels, and compose mounts the dashboards into the provisioned folder."""
    (source,) = read_yaml("deploy/grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    assert {"type": source["type"], "uid": source["uid"]} == DATA_SOURCE
    (provider,) = read_yaml("deploy/grafana/provisioning/dashboards/mapek.yaml")["providers"]
    mounts = read_yaml("deploy/container/compose.yaml")["services"]["grafana"]["volumes"]
    assert f"../grafana/dashboards:{provider['options']['path']}:ro" in mounts


def test_links_lead_to_the_loop() -> None:
    """The Grafana link of a cycle in the Temporal UI opens the dashboard of its loop."""
    grafana = read_yaml("deploy/container/mapek.yaml")["links"]["grafana"]
    assert "/d/mapek-loop?var-loop={loop}" in grafana
    config = Config(links=LinksSettings(grafana=grafana))
    assert "[Grafana](http://localhost:3000/d/mapek-loop?var-loop=charter)" in config.format_links(config.loops[0])
