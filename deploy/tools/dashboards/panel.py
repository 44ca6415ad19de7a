"""A panel and a board as values, and the JSON Grafana reads."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SOURCE = {"type": "prometheus", "uid": "prometheus"}
"""The provisioned source of data, by its uid."""
WIDTH, HEIGHT = 8, 7
"""Of a panel; a row has 24."""
COLUMNS = 24 // WIDTH
TAG = "mapek"

Query = tuple[str, str]
"""Legend and PromQL."""


@dataclass(frozen=True)
class Panel:
    """What one panel shows. `unit` is Grafana's word for it; `kind` is timeseries or stat."""

    title: str
    about: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: str = "timeseries"


@dataclass(frozen=True)
class Variable:
    """What a person chooses at the top: a query's answers, or with `fixed` a text to be set once."""

    name: str
    query: str = ""
    fixed: str = ""
    several: bool = False


@dataclass(frozen=True)
class Board:
    """One dashboard; `links` are titles and addresses at its top."""

    uid: str
    title: str
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


def dashboard(board: Board) -> dict[str, Any]:
    """Return the JSON model of a board."""
    boards = {"title": "MAPE-K", "type": "dashboards", "tags": [TAG], "asDropdown": True, "includeVars": True}
    links = [{"title": title, "type": "link", "url": url, "targetBlank": True} for title, url in board.links]
    return {
        "uid": board.uid,
        "title": board.title,
        "tags": [TAG],
        "editable": False,
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"keepTime": True, **boards}, *links],
        "templating": {"list": [variable(one) for one in board.variables]},
        "panels": list(laid_out(board.panels)),
    }


def laid_out(panels: tuple[Panel, ...]) -> Iterator[dict[str, Any]]:
    """Yield the panels' JSON, three in a row."""
    for number, panel in enumerate(panels):
        place = {"x": number % COLUMNS * WIDTH, "y": number // COLUMNS * HEIGHT, "w": WIDTH, "h": HEIGHT}
        yield {
            "id": number + 1,
            "title": panel.title,
            "description": panel.about,
            "type": panel.kind,
            "datasource": SOURCE,
            "gridPos": place,
            "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
            "targets": [
                {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
                for index, (legend, expr) in enumerate(panel.queries)
            ],
        }


def variable(one: Variable) -> dict[str, Any]:
    """Return the JSON of a variable."""
    if one.fixed:
        return {
            "name": one.name,
            "type": "textbox",
            "query": one.fixed,
            "current": {"text": one.fixed, "value": one.fixed},
        }
    every = {"includeAll": True, "multi": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}}
    asked = {"name": one.name, "type": "query", "datasource": SOURCE, "query": one.query, "refresh": 2, "sort": 1}
    return {**asked, **(every if one.several else {})}
