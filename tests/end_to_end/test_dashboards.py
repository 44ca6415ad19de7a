"""Every panel of every dashboard shows something after an incident was healed and another one rolled back."""

import math
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from deploy.tools.dashboards.__main__ import DASHBOARDS
from deploy.tools.dashboards.panel import Panel
from tests.end_to_end.background_scenarios import BUDGET_INCIDENTS, BackgroundScenarios
from tests.support.stack import LOOP_NAME, StackHarness
from tests.support.waiting import wait_until

pytestmark = pytest.mark.stack

VARIABLE_VALUES = {"$loop": LOOP_NAME, "$component": ".*", "$__rate_interval": "2m"}
DISPLAY_TIMEOUT_SECONDS = 45.0
"""Seconds until the worker has looked at store and schedule (15 s each) and Prometheus has scraped it."""


def substitute_variables(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


async def find_empty_queries(prometheus: httpx.AsyncClient, panels: list[Panel]) -> list[str]:
    """Return the queries that come back without a single number."""
    found = []
    for panel in panels:
        for _, expr in panel.queries:
            reply = await prometheus.get("/api/v1/query", params={"query": substitute_variables(expr, VARIABLE_VALUES)})
            answer: dict[str, Any] = reply.json()
            assert answer["status"] == "success", (panel.title, answer)
            series = answer["data"]["result"]
            if not any(math.isfinite(float(one["value"][1])) for one in series):
                found.append(f"{panel.title}: {expr}")
    return found


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)
async def test_no_panel_is_empty(background_scenarios: BackgroundScenarios, board: Any) -> None:
    """Each query is asked of the Prometheus that saw both incidents, and gives a number."""
    for kind in BUDGET_INCIDENTS:
        await background_scenarios.incident_records.wait_for_incident(kind)
    world = await background_scenarios.harness
    async with httpx.AsyncClient(base_url=world.stack.addresses.prometheus, trust_env=False) as prometheus:
        left = list(board.panels)

        async def nothing_empty() -> bool:
            # Again and again: of a single one no rate can be seen.
            await post_invalid_alert(world)
            left[:] = [panel for panel in left if await find_empty_queries(prometheus, [panel])]
            return not left

        try:
            await wait_until("no panel is empty", nothing_empty, DISPLAY_TIMEOUT_SECONDS, interval=2.0)
        except AssertionError:
            assert await find_empty_queries(prometheus, left) == []


async def post_invalid_alert(harness: StackHarness) -> None:
    """Post what is no alert: it starts nothing, and its answer is timed."""
    token = (harness.stack.state.path / "webhook.token").read_text().strip()
    async with httpx.AsyncClient(base_url=harness.stack.addresses.mapek, trust_env=False) as mapek:
        headers = {"authorization": f"Bearer {token}"}
        assert (await mapek.post("/webhooks/alerts", content=b"{", headers=headers)).status_code == 400


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)
async def test_links_lead_to_temporal(background_scenarios: BackgroundScenarios, board: Any) -> None:
    """Each link opens a page of the Temporal UI, and Temporal understands the query in it."""
    world = await background_scenarios.harness
    at = world.stack.addresses
    values = {"${temporal_ui}": at.temporal_ui, "${namespace}": at.namespace, "${loop}": LOOP_NAME}
    async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as browser:
        for title, url in board.links:
            whole = substitute_variables(url, values)
            assert (await browser.get(whole)).status_code == 200, title
            for query in parse_qs(urlsplit(whole).query).get("query", []):
                assert (await world.client.count_workflows(query)).count >= 0
