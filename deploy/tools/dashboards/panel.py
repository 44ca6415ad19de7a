"""Panels and dashboards as values, and their JSON for Grafana."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

DATA_SOURCE = {"type": "prometheus", "uid": "prometheus"}
"""The provisioned data source."""
PANEL_WIDTH, PANEL_HEIGHT = 8, 7
"""Size of a panel in grid units; a row is 24 wide."""
PANELS_PER_ROW = 24 // PANEL_WIDTH
DASHBOARD_TAG = "mapek"

PanelQuery = tuple[str, str]
"""Legend and PromQL."""


@dataclass(frozen=True)
class Panel:
    """One panel. `unit` is a unit of Grafana; `kind` is timeseries or stat."""

    title: str
    description: str
    queries: tuple[PanelQuery, ...]
    unit: str = "short"
    kind: str = "timeseries"


@dataclass(frozen=True)
class Variable:
    """A choice at the top of a dashboard: the results of `query`, or a text field if `textbox_default` is set."""

    name: str
    query: str = ""
    textbox_default: str = ""
    multi_select: bool = False


@dataclass(frozen=True)
class Dashboard:
    """One dashboard; `links` are the titles and addresses at its top."""

    uid: str
    title: str
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


def build_dashboard(dashboard: Dashboard) -> dict[str, Any]:
    """Return the JSON model of a dashboard."""
    dashboard_list = {
        "title": "MAPE-K",
        "type": "dashboards",
        "tags": [DASHBOARD_TAG],
        "asDropdown": True,
        "includeVars": True,
    }
    links = [{"title": title, "type": "link", "url": url, "targetBlank": True} for title, url in dashboard.links]
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": [DASHBOARD_TAG],
        "editable": False,
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"keepTime": True, **dashboard_list}, *links],
        "templating": {"list": [build_variable(variable) for variable in dashboard.variables]},
        "panels": list(lay_out_panels(dashboard.panels)),
    }


def lay_out_panels(panels: tuple[Panel, ...]) -> Iterator[dict[str, Any]]:
    """Yield the JSON of the panels, three in a row."""
    for number, panel in enumerate(panels):
        position = {
            "x": number % PANELS_PER_ROW * PANEL_WIDTH,
            "y": number // PANELS_PER_ROW * PANEL_HEIGHT,
            "w": PANEL_WIDTH,
            "h": PANEL_HEIGHT,
        }
        yield {
            "id": number + 1,
            "title": panel.title,
            "description": panel.description,
            "type": panel.kind,
            "datasource": DATA_SOURCE,
            "gridPos": position,
            "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
            "targets": [
                {"refId": chr(ord("A") + index), "datasource": DATA_SOURCE, "expr": expr, "legendFormat": legend}
                for index, (legend, expr) in enumerate(panel.queries)
            ],
        }


def build_variable(variable: Variable) -> dict[str, Any]:
    """Return the JSON of a variable."""
    if variable.textbox_default:
        return {
            "name": variable.name,
            "type": "textbox",
            "query": variable.textbox_default,
            "current": {"text": variable.textbox_default, "value": variable.textbox_default},
        }
    multi_select = {"includeAll": True, "multi": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}}
    json_model = {
        "name": variable.name,
        "type": "query",
        "datasource": DATA_SOURCE,
        "query": variable.query,
        "refresh": 2,
        "sort": 1,
    }
    return {**json_model, **(multi_select if variable.multi_select else {})}
