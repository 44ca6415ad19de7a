"""From a fleet at rest to the checker's evidence, one Charter at a time."""

from dataclasses import dataclass, field
from typing import Any

from tests.faults.evidence import Evidence, Row
from tests.faults.fleet import PERIOD, Fleet, Site
from tests.faults.loading import histories, rows_of_file


@dataclass
class Gathering:
    """What was seen so far: histories of runs that ended are fetched once."""

    fleet: Fleet
    seed: int
    runs: dict[str, Row] = field(default_factory=dict)
    blind: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

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
            observed=tuple(run["started"] for run in runs if run["type"] == "MapekCycle"),
            blind=tuple(self.blind.get(site.name, ())),
            generations=generations(state),
            period=PERIOD,
            quiet_since=quiet_since,
            ended=ended,
        )


def generations(state: dict[str, Any]) -> dict[str, int]:
    """Return the generation of every knob, by the ground truth."""
    policies = {policy["name"]: int(policy["generation"]) for policy in state["policies"]}
    return {"committee": int(state["committee"]["generation"]), **policies}
