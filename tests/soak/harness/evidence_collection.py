"""From a fleet at rest to the checker's evidence, one Charter at a time."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from deploy.devstack.ports import LOOPBACK
from tests.soak.checker.evidence import Evidence, Row
from tests.soak.checker.loader import histories, rows_of_file
from tests.soak.checker.outcomes import GRACE
from tests.soak.faults.unauthorized_posts import leaks, secrets_of
from tests.soak.harness.fleet import PERIOD, Fleet
from tests.soak.harness.sites import Site

RESUMED = 15.0
"""Seconds after a restart within which everything goes on."""


@dataclass
class Gathering:
    """What was seen so far: histories of runs that ended are fetched once."""

    fleet: Fleet
    seed: int
    runs: dict[str, Row] = field(default_factory=dict)
    blind: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    strangers: list[Row] = field(default_factory=list)

    async def look(self) -> None:
        """Fetch the histories of what ran since the last look."""
        ended = {run_id for run_id, run in self.runs.items() if run["closed"] is not None}
        query = 'WorkflowType IN ("MapekCycle", "Remediation", "MapekUpkeep")'
        async for run in histories(self.fleet.client, query, ended):
            self.runs[run["run_id"]] = run

    async def evidence(self, site: Site, quiet_since: float, ended: float) -> Evidence:
        """Return what is known of one Charter and the loops upon it."""
        rows = rows_of_file(self.fleet.store_file)
        runs = [run for run in self.runs.values() if run["input"]["loop"] in site.loops]
        state = (await site.charter.get("/sim/state")).json()
        return Evidence(
            seed=self.seed,
            ledger=tuple(await site.ledger()),
            audit=tuple(row for row in rows["audit"] if row["loop"] in site.loops),
            plans=tuple(row for row in rows["plans"] if row["loop"] in site.loops),
            outcomes=tuple(row for row in rows["outcomes"] if row["loop"] in site.loops),
            knobs=tuple(row for row in rows["knobs"] if row["charter"] == site.name),
            histories=tuple(sorted(runs, key=lambda run: run["started"])),
            committee=tuple(await site.committee()),
            alerts=tuple(self.alerts(site)),
            observed=tuple(run["started"] for run in runs if looked(run)),
            blind=tuple(self.blind.get(site.name, ())),
            generations=generations(state),
            strangers=tuple(post for post in self.strangers if post["site"] == site.name),
            period=PERIOD,
            quiet_since=quiet_since,
            ended=ended,
        )

    async def told(self) -> Evidence:
        """Return where a secret of the stack stands: in a log, a database, a history or the metrics."""
        state = self.fleet.stack.state
        files = [*state.logs.iterdir(), *state.path.glob("*.db*")]
        texts = {"a history": json.dumps(list(self.runs.values()), default=str), "the metrics": await self.metrics()}
        found = await leaks(state.path, files, texts)
        return Evidence(seed=self.seed, ledger=(), leaks=tuple(found))

    async def metrics(self) -> str:
        """Return what the worker shows Prometheus. Raises: httpx.HTTPError."""
        token = secrets_of(self.fleet.stack.state.path)["webhook.token"]
        url = f"http://{LOOPBACK}:{self.fleet.workers['first'].port}/metrics"
        async with httpx.AsyncClient(trust_env=False, timeout=10.0) as http:
            answer = await http.get(url, headers={"Authorization": f"Bearer {token}"})
        return answer.raise_for_status().text

    def alerts(self, site: Site) -> Iterator[Row]:
        """Yield the alerts the webhook took, each with when a cycle has to have looked at the latest."""
        for at in self.fleet.alerting.taken_for(site.name):
            yield {"answered_at": at, "due": due(at, self.fleet.away)}


def looked(run: Row) -> bool:
    """Tell whether a run is a cycle that saw something."""
    return run["type"] == "MapekCycle" and any(
        event["event"] == "activity" and event["name"] == "monitor" for event in run["events"]
    )


def due(at: float, away: Iterable[tuple[float, float]]) -> float:
    """Return two periods after an instant; while nobody could look, and until everything has resumed, time stands.

    Then the grace: a period is short here, and what the machine needs when everything strikes at once is not.
    """
    last = at + 2 * PERIOD + GRACE
    for start, end in sorted(away):
        if start < last and end + RESUMED > at:
            last = max(last, end + RESUMED + 2 * PERIOD + GRACE)
    return last


def generations(state: dict[str, Any]) -> dict[str, int]:
    """Return the generation of every knob, by the ground truth."""
    policies = {policy["name"]: int(policy["generation"]) for policy in state["policies"]}
    return {"committee": int(state["committee"]["generation"]), **policies}
