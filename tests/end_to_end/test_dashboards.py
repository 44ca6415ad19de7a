"""Every panel of every dashboard has data after a healed and a rolled back incident."""

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
"""Maximum until the worker has read store and schedule (15 s each) and Prometheus has scraped it."""


def substitute_variables(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


async def find_empty_queries(prometheus: httpx.AsyncClient, panels: list[Panel]) -> list[str]:
    """Return the queries without any number in their result."""
    empty = []
    for panel in panels:
        for _, expr in panel.queries:
            response = await prometheus.get(
                "/api/v1/query", params={"query": substitute_variables(expr, VARIABLE_VALUES)}
            )
            content: dict[str, Any] = response.json()
            assert content["status"] == "success", (panel.title, content)
            series = content["data"]["result"]
            if not any(math.isfinite(float(item["value"][1])) for item in series):
                empty.append(f"{panel.title}: {expr}")
    return empty


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)
async def test_no_panel_is_empty(background_scenarios: BackgroundScenarios, board: Any) -> None:
    """Each query gives a number in the Prometheus that scraped both incidents."""
    for kind in BUDGET_INCIDENTS:
        await background_scenarios.incident_records.wait_for_incident(kind)
    harness = await background_scenarios.harness
    async with httpx.AsyncClient(base_url=harness.stack.addresses.prometheus, trust_env=False) as prometheus:
        empty_panels = list(board.panels)

        async def have_all_data() -> bool:
            # Each time: one request alone has no rate.
            await post_invalid_alert(harness)
            empty_panels[:] = [panel for panel in empty_panels if await find_empty_queries(prometheus, [panel])]
            return not empty_panels

        try:
            await wait_until("data in every panel", have_all_data, DISPLAY_TIMEOUT_SECONDS, interval=2.0)
        except AssertionError:
            assert await find_empty_queries(prometheus, empty_panels) == []


async def post_invalid_alert(harness: StackHarness) -> None:
    """Post an invalid alert: it starts no cycle, and its duration is measured."""
    token = (harness.stack.state.path / "webhook.token").read_text().strip()
    async with httpx.AsyncClient(base_url=harness.stack.addresses.mapek, trust_env=False) as mapek:
        headers = {"authorization": f"Bearer {token}"}
        assert (await mapek.post("/webhooks/alerts", content=b"{", headers=headers)).status_code == 400


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)
async def test_links_open_the_temporal_ui(background_scenarios: BackgroundScenarios, board: Any) -> None:
    """Each link opens a page of the Temporal UI, and its query is valid."""
    harness = await background_scenarios.harness
    addresses = harness.stack.addresses
    values = {"${temporal_ui}": addresses.temporal_ui, "${namespace}": addresses.namespace, "${loop}": LOOP_NAME}
    async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as browser:
        for title, url in board.links:
            link = substitute_variables(url, values)
            assert (await browser.get(link)).status_code == 200, title
            for query in parse_qs(urlsplit(link).query).get("query", []):
                assert (await harness.client.count_workflows(query)).count >= 0
