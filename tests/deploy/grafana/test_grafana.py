"""The dashboards and what provisions them, as files; their queries are run in tests/end_to_end/test_dashboards.py."""

import re
from typing import Any

import yaml

from deploy.devstack.render import REPOSITORY_ROOT
from deploy.simulator.metrics import METRIC_PREFIX, METRICS
from deploy.tools.dashboards.__main__ import DASHBOARDS, DASHBOARDS_DIR, find_outdated
from deploy.tools.dashboards.panel import DATA_SOURCE, build_dashboard
from worker.config.load import Config
from worker.config.schema import LinksSettings

GRAFANA_FOLDER = REPOSITORY_ROOT / "deploy/grafana"


def read_json(path: str) -> Any:
    return yaml.safe_load((REPOSITORY_ROOT / path).read_text())


def test_current() -> None:
    """What Grafana reads is what the tables say; `make reference` brings it there; no other dashboard lies about."""
    assert find_outdated() == {}
    assert {path.name for path in DASHBOARDS_DIR.iterdir()} == {f"{board.uid}.json" for board in DASHBOARDS}


def test_panels_have_a_place_and_a_source() -> None:
    """Panels do not overlap, ids and titles are their own, every query goes to the provisioned source."""
    for board in DASHBOARDS:
        panels = build_dashboard(board)["panels"]
        places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
        assert len(places) == len(panels) == len({panel["title"] for panel in panels})
        assert all(target["datasource"] == DATA_SOURCE for panel in panels for target in panel["targets"])


def test_variables_are_defined() -> None:
    """Every variable a query or a link uses is one of the board's, or Grafana's own."""
    for board in DASHBOARDS:
        known = {one.name for one in board.variables} | {"__rate_interval"}
        texts = [expr for panel in board.panels for _, expr in panel.queries] + [url for _, url in board.links]
        used = {name for text in texts for name in re.findall(r"\$\{?(\w+)", text)}
        assert used <= known


def test_all_of_charter_is_shown() -> None:
    """Each of Charter's fifteen metrics is in a panel."""
    shown = " ".join(expr for board in DASHBOARDS for panel in board.panels for _, expr in panel.queries)
    assert len(METRICS) == 15
    assert [one.name for one in METRICS if f"{METRIC_PREFIX}{one.name}" not in shown] == []


def test_provisioned() -> None:
    """The source has the uid the panels name, and the folder of dashboards is where staging mounts it."""
    (source,) = read_json("deploy/grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    assert {"type": source["type"], "uid": source["uid"]} == DATA_SOURCE
    (provider,) = read_json("deploy/grafana/provisioning/dashboards/mapek.yaml")["providers"]
    mounts = read_json("deploy/container/compose.yaml")["services"]["grafana"]["volumes"]
    assert f"../grafana/dashboards:{provider['options']['path']}:ro" in mounts


def test_links_lead_back() -> None:
    """What the Temporal UI shows beside a cycle leads to that loop on its board."""
    grafana = read_json("deploy/container/mapek.yaml")["links"]["grafana"]
    assert "/d/mapek-loop?var-loop={loop}" in grafana
    config = Config(links=LinksSettings(grafana=grafana))
    assert "[Grafana](http://localhost:3000/d/mapek-loop?var-loop=charter)" in config.format_links(config.loops[0])
