"""Load the checker's evidence from a store's file and a Temporal server."""

import base64
import json
import sqlite3
from collections.abc import AsyncIterator, Container
from datetime import datetime
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHistory

Rows = tuple[dict[str, Any], ...]


def load_rows(connection: sqlite3.Connection) -> dict[str, Rows]:
    """Return audit, plans, outcomes, knobs and started remediations of a store, by their names in `Evidence`."""
    rows: dict[str, Rows] = {}
    for table, order in (("audit", "id"), ("plans", "at"), ("outcomes", "at")):
        # Table and order are the constants above.
        bodies = connection.execute(f"SELECT body FROM {table} ORDER BY {order}").fetchall()
        rows[table] = tuple(json.loads(body) for (body,) in bodies)
    remediations = connection.execute("SELECT body FROM remediations ORDER BY started_at").fetchall()
    rows["started"] = tuple(json.loads(body) for (body,) in remediations)
    cursor = connection.execute("SELECT * FROM knobs")
    names = [column[0] for column in cursor.description]
    rows["knobs"] = tuple(dict(zip(names, row, strict=True)) for row in cursor.fetchall())
    return rows


def load_rows_from_file(path: str) -> dict[str, Rows]:
    """Return the rows of a store's file, opened read only."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return load_rows(connection)
    finally:
        connection.close()


async def load_histories(
    client: Client, query: str, known_run_ids: Container[str] = ()
) -> AsyncIterator[dict[str, Any]]:
    """Yield every run that matches a visibility query, as plain values, without the runs in `known_run_ids`."""
    async for run in client.list_workflows(query):
        if run.run_id in known_run_ids:
            continue
        handle = client.get_workflow_handle(run.id, run_id=run.run_id)
        history = (await decrypt_history(client, await handle.fetch_history())).to_json_dict()["events"]
        running = run.status is WorkflowExecutionStatus.RUNNING
        yield {
            "workflow_id": run.id,
            "run_id": run.run_id,
            "type": run.workflow_type,
            "input": parse_first_payload(history[0]["workflowExecutionStartedEventAttributes"].get("input")),
            "started": find_started_at(run.start_time.timestamp(), history),
            "closed": None if running or run.close_time is None else run.close_time.timestamp(),
            "status": run.status.name.lower() if run.status else "",
            "outcome": str(run.search_attributes.get("MapekOutcome", [""])[0]),
            "events": extract_events(history),
        }


async def decrypt_history(client: Client, history: WorkflowHistory) -> WorkflowHistory:
    """Return the history with its requests and results decrypted, if the client has keys."""
    codec = client.data_converter.payload_codec
    if codec is None:
        return history
    for event in history.events:
        for payloads in (
            event.workflow_execution_started_event_attributes.input,
            event.activity_task_scheduled_event_attributes.input,
            event.activity_task_completed_event_attributes.result,
        ):
            if payloads.payloads:
                decoded = await codec.decode(payloads.payloads)
                del payloads.payloads[:]
                payloads.payloads.extend(decoded)
    return history


def find_started_at(start_time: float, history: list[dict[str, Any]]) -> float:
    """Return when a run took its id: at its first workflow task, or at its reset.

    The server records the start at the request, and may then wait for the previous run to end.
    """
    first = next((event for event in history if event["eventType"] == "EVENT_TYPE_WORKFLOW_TASK_SCHEDULED"), None)
    return max(start_time, datetime.fromisoformat(first["eventTime"]).timestamp()) if first else start_time


ENDED_EVENT_KINDS = {
    "EVENT_TYPE_ACTIVITY_TASK_COMPLETED": "activity",
    "EVENT_TYPE_ACTIVITY_TASK_FAILED": "activity_failed",
    "EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT": "activity_failed",
    "EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED": "activity_cancelled",
}


def extract_events(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events that the checks read: activities with request and result, and failed workflow tasks."""
    scheduled: dict[str, dict[str, Any]] = {}
    extracted: list[dict[str, Any]] = []
    for event in history:
        kind = event["eventType"]
        body: dict[str, Any] = next((value for key, value in event.items() if key.endswith("Attributes")), {})
        at = datetime.fromisoformat(event["eventTime"]).timestamp()
        if kind == "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED":
            scheduled[event["eventId"]] = body
        elif kind in ENDED_EVENT_KINDS:
            schedule = scheduled[body["scheduledEventId"]]
            extracted.append(
                {
                    "at": at,
                    "event": ENDED_EVENT_KINDS[kind],
                    "name": schedule["activityType"]["name"],
                    "request": parse_first_payload(schedule.get("input")),
                    "result": parse_first_payload(body.get("result")),
                }
            )
        elif kind == "EVENT_TYPE_WORKFLOW_TASK_FAILED" and "NON_DETERMINISTIC" in body.get("cause", ""):
            extracted.append({"at": at, "event": "nondeterminism", "text": json.dumps(body.get("failure"))})
    return extracted


def parse_first_payload(payloads: dict[str, Any] | None) -> Any:
    """Return the first JSON payload, None without one."""
    if not payloads or not payloads.get("payloads") or "data" not in payloads["payloads"][0]:
        return None
    return json.loads(base64.b64decode(payloads["payloads"][0]["data"]))
