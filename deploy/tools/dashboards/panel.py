"""A panel and a board as values, and the JSON Grafana reads."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

DATA_SOURCE = {"type": "prometheus", "uid": "prometheus"}
"""The provisioned source of data, by its uid."""
PANEL_WIDTH, PANEL_HEIGHT = 8, 7
"""Of a panel; a row has 24."""
PANELS_PER_ROW = 24 // PANEL_WIDTH
DASHBOARD_TAG = "mapek"

PanelQuery = tuple[str, str]
"""Legend and PromQL."""


@dataclass(frozen=True)
class Panel:
    """What one panel shows. `unit` is Grafana's word for it; `kind` is timeseries or stat."""

    title: str
    description: str
    queries: tuple[PanelQuery, ...]
    unit: str = "short"
    kind: str = "timeseries"


@dataclass(frozen=True)
class Variable:
    """What a person chooses at the top: a query's answers, or with `fixed` a text to be set once."""

    name: str
    query: str = ""
    textbox_default: str = ""
    multi_select: bool = False


@dataclass(frozen=True)
class Dashboard:
    """One dashboard; `links` are titles and addresses at its top."""

    uid: str
    title: str
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


def build_dashboard(dashboard: Dashboard) -> dict[str, Any]:
    """Return the JSON model of a board."""
    boards = {"title": "MAPE-K", "type": "dashboards", "tags": [DASHBOARD_TAG], "asDropdown": True, "includeVars": True}
    links = [{"title": title, "type": "link", "url": url, "targetBlank": True} for title, url in dashboard.links]
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": [DASHBOARD_TAG],
        "editable": False,
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"keepTime": True, **boards}, *links],
        "templating": {"list": [build_variable(one) for one in dashboard.variables]},
        "panels": list(lay_out_panels(dashboard.panels)),
    }


def lay_out_panels(panels: tuple[Panel, ...]) -> Iterator[dict[str, Any]]:
    """Yield the panels' JSON, three in a row."""
    for number, panel in enumerate(panels):
        place = {
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
            "gridPos": place,
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
    every = {"includeAll": True, "multi": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}}
    asked = {
        "name": variable.name,
        "type": "query",
        "datasource": DATA_SOURCE,
        "query": variable.query,
        "refresh": 2,
        "sort": 1,
    }
    return {**asked, **(every if variable.multi_select else {})}
