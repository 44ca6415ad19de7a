"""The evidence of a run on the cluster for the checker of the invariants."""

import time

import psycopg
from psycopg.rows import dict_row

from tests.cluster.harness import ClusterHarness
from tests.soak.checker.evidence import Evidence
from tests.soak.checker.loader import Rows, load_histories

WORKFLOW_QUERY = 'WorkflowType="MapekRemediation" OR WorkflowType="Remediation" OR WorkflowType="MapekCycle"'


async def collect_evidence(cluster_harness: ClusterHarness, period: float, quiet_since: float) -> Evidence:
    """Collect Charter's ledger, the store's rows and all histories."""
    rows = await load_rows(cluster_harness.cluster.store_url)
    ledger = (await cluster_harness.harness.charter.get("/sim/ledger")).json()
    state = (await cluster_harness.harness.charter.get("/sim/state")).json()
    return Evidence(
        seed=0,
        ledger=tuple(ledger),
        audit=rows["audit"],
        plans=rows["plans"],
        outcomes=rows["outcomes"],
        knobs=rows["knobs"],
        histories=tuple([history async for history in load_histories(cluster_harness.harness.client, WORKFLOW_QUERY)]),
        generations={policy["knob"]: policy["generation"] for policy in state["policies"] if "knob" in policy},
        period_seconds=period,
        quiet_since=quiet_since,
        ended_at=time.time(),
    )


async def load_rows(url: str) -> dict[str, Rows]:
    """Return audit, plans, outcomes and knobs of a store on PostgreSQL."""
    rows: dict[str, Rows] = {}
    async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row) as connection:
        for table, order in (("audit", "id"), ("plans", "at"), ("outcomes", "at")):
            cursor = await connection.execute(f"SELECT body::json AS body FROM {table} ORDER BY {order}".encode())
            rows[table] = tuple([row["body"] async for row in cursor])
        cursor = await connection.execute(b"SELECT * FROM knobs")
        rows["knobs"] = tuple([dict(row) async for row in cursor])
    return rows
