"""Collect the checker's evidence from a fleet at rest, one Charter at a time."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from deploy.devstack.ports import LOOPBACK
from tests.soak.checker.evidence import Evidence, Row
from tests.soak.checker.loader import load_histories, load_rows_from_file
from tests.soak.checker.outcomes import GRACE_SECONDS
from tests.soak.faults.unauthorized_posts import find_leaks, load_secrets
from tests.soak.harness.fleet import PERIOD_SECONDS, Fleet
from tests.soak.harness.sites import Site

RESUME_GRACE_SECONDS = 15.0
"""Seconds after a restart within which everything resumes."""


@dataclass
class EvidenceCollector:
    """The evidence so far; the history of an ended run is fetched once."""

    fleet: Fleet
    seed: int
    histories: dict[str, Row] = field(default_factory=dict)
    blind_intervals: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    unauthorized_posts: list[Row] = field(default_factory=list)

    async def fetch_histories(self) -> None:
        """Fetch the histories of runs that were not ended at the last fetch."""
        ended = {run_id for run_id, run in self.histories.items() if run["closed"] is not None}
        query = 'WorkflowType IN ("MapekCycle", "MapekRemediation", "Remediation", "MapekUpkeep")'
        async for run in load_histories(self.fleet.client, query, ended):
            self.histories[run["run_id"]] = run

    async def build_evidence(self, site: Site, quiet_since: float, ended_at: float) -> Evidence:
        """Return the evidence of one Charter and its loops."""
        rows = load_rows_from_file(self.fleet.store_file)
        runs = [run for run in self.histories.values() if run["input"]["loop"] in site.loops]
        state = (await site.charter.get("/sim/state")).json()
        return Evidence(
            seed=self.seed,
            ledger=tuple(await site.fetch_ledger()),
            audit=tuple(row for row in rows["audit"] if row["loop"] in site.loops),
            plans=tuple(row for row in rows["plans"] if row["loop"] in site.loops),
            outcomes=tuple(row for row in rows["outcomes"] if row["loop"] in site.loops),
            knobs=tuple(row for row in rows["knobs"] if row["charter"] == site.name),
            histories=tuple(sorted(runs, key=lambda run: run["started"])),
            committee=tuple(await site.fetch_committee_history()),
            alerts=tuple(self.list_alerts(site)),
            observed_at=tuple(run["started"] for run in runs if has_observed(run)),
            blind_intervals=tuple(self.blind_intervals.get(site.name, ())),
            generations=parse_generations(state),
            unauthorized_posts=tuple(post for post in self.unauthorized_posts if post["site"] == site.name),
            period_seconds=PERIOD_SECONDS,
            quiet_since=quiet_since,
            ended_at=ended_at,
        )

    async def find_leaks(self) -> Evidence:
        """Return the leaked secrets of the stack: in a log, a database, a history or the metrics."""
        state = self.fleet.stack.state
        files = [*state.logs.iterdir(), *state.path.glob("*.db*")]
        texts = {
            "a history": json.dumps(list(self.histories.values()), default=str),
            "the metrics": await self.fetch_metrics(),
        }
        leaks = await find_leaks(state.path, files, texts)
        return Evidence(seed=self.seed, ledger=(), leaks=tuple(leaks))

    async def fetch_metrics(self) -> str:
        """Return the worker's metrics. Raises: httpx.HTTPError."""
        token = load_secrets(self.fleet.stack.state.path)["webhook.token"]
        url = f"http://{LOOPBACK}:{self.fleet.workers['first'].port}/metrics"
        async with httpx.AsyncClient(trust_env=False, timeout=10.0) as http:
            answer = await http.get(url, headers={"Authorization": f"Bearer {token}"})
        return answer.raise_for_status().text

    def list_alerts(self, site: Site) -> Iterator[Row]:
        """Yield the alerts that the webhook accepted, each with the time at which an observation is due."""
        for at in self.fleet.alertmanager.accepted_times(site.name):
            yield {"answered_at": at, "due": compute_due(at, self.fleet.outages)}


def has_observed(run: Row) -> bool:
    """Return whether a run is a cycle whose Monitor completed."""
    return run["type"] == "MapekCycle" and any(
        event["event"] == "activity" and event["name"] == "monitor" for event in run["events"]
    )


def compute_due(alerted_at: float, outages: Iterable[tuple[float, float]]) -> float:
    """Return when an observation after an alert is due: two periods and the grace, from the end of an outage if later.

    The grace is long beside the short periods, because a busy machine needs it.
    """
    due = alerted_at + 2 * PERIOD_SECONDS + GRACE_SECONDS
    for start, end in sorted(outages):
        if start < due and end + RESUME_GRACE_SECONDS > alerted_at:
            due = max(due, end + RESUME_GRACE_SECONDS + 2 * PERIOD_SECONDS + GRACE_SECONDS)
    return due


def parse_generations(state: dict[str, Any]) -> dict[str, int]:
    """Return the generation of every knob, by Charter's state."""
    policies = {policy["name"]: int(policy["generation"]) for policy in state["policies"]}
    return {"committee": int(state["committee"]["generation"]), **policies}
