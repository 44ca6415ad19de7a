"""Finding what an id or a loop stands for, in the store and at Temporal."""

import re
from collections.abc import AsyncIterator

import typer
from temporalio.client import Client, WorkflowExecution
from temporalio.common import SearchAttributeKey

from activities.clients.store.store import Store
from activities.model import identifiers
from activities.model.errors import ConfigurationError, NotFound, StoreUnavailable
from worker.cli.session import RPC_TIMEOUT, Session
from workflows import search_attributes

PLAN_ID_PATTERN = re.compile(r"[0-9a-f]{12}")
CYCLE_ID_PATTERN = re.compile(r"mapek-cycle:[A-Za-z0-9._:-]+")


def parse_plan_id(text: str) -> str:
    """Return the text if it can be a plan's id; anything else is wrong use."""
    if not PLAN_ID_PATTERN.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is no plan id: 12 hex digits, as `mapek status` shows them")
    return text


def read_search_attribute(execution: WorkflowExecution, key: SearchAttributeKey[str]) -> str:
    """Return a search attribute of a workflow, "" if it has none."""
    return execution.typed_search_attributes.get(key) or ""


async def list_running_workflows(client: Client, loop: str, workflow_types: tuple[str, ...]) -> list[WorkflowExecution]:
    """Return the open workflows of these types of the loop. Visibility lags: a new one may be missing for a moment."""
    types = identifiers.type_query(*workflow_types)
    query = f'{search_attributes.LOOP.name}="{loop}" AND ExecutionStatus="Running" AND {types}'
    return [execution async for execution in client.list_workflows(query, rpc_timeout=RPC_TIMEOUT)]


def list_cycles(client: Client, loops: list[str], outcome: str, limit: int) -> AsyncIterator[WorkflowExecution]:
    """Give the newest cycles of the loops, of one outcome only if it is given."""
    wanted = ", ".join(f'"{loop}"' for loop in loops)
    query = f"{identifiers.type_query(identifiers.WorkflowName.CYCLE)} AND {search_attributes.LOOP.name} IN ({wanted})"
    if outcome:
        query += f' AND {search_attributes.OUTCOME.name}="{outcome}"'
    return client.list_workflows(query, limit=limit, page_size=min(limit, 1000), rpc_timeout=RPC_TIMEOUT)


async def find_remediation_id(session: Session, client: Client, plan_id: str) -> str:
    """Return the id of the workflow that carries the plan out.

    The store knows it; where the store cannot be asked, the search attribute of the running workflow does.

    Raises:
        NotFound: neither knows the plan.
    """
    try:
        async with session.open_store() as store:
            stored = await store.plans.get(plan_id)
            return identifiers.remediation_id(stored.charter, stored.knob)
    except (StoreUnavailable, ConfigurationError, NotFound):
        query = (
            f'{identifiers.type_query(*identifiers.REMEDIATION_TYPES)} AND {search_attributes.PLAN.name}="{plan_id}"'
        )
        async for execution in client.list_workflows(query, limit=1, rpc_timeout=RPC_TIMEOUT):
            return execution.id
    raise NotFound(f"no plan {plan_id}, neither in the store nor among the remediations")


def unknown_id_error(identifier: str) -> typer.BadParameter:
    """Return the error for what cannot be an id of ours."""
    return typer.BadParameter(f"{identifier!r} is neither a plan id (12 hex digits) nor a cycle id (mapek-cycle:...)")


async def find_plan_ids(store: Store, identifier: str) -> tuple[str, ...]:
    """Return the plans an id stands for: itself, or what the cycle of that id planned.

    Raises:
        NotFound: no such plan, or the cycle did not come to a decision.
    """
    if PLAN_ID_PATTERN.fullmatch(identifier):
        return ((await store.plans.get(identifier)).plan_id,)
    if not CYCLE_ID_PATTERN.fullmatch(identifier):
        raise unknown_id_error(identifier)
    decision = await store.plans.load_decision(identifier)
    if decision is None:
        raise NotFound(f"cycle {identifier} decided nothing, or its decision is no longer kept")
    return tuple(plan.plan_id for plan in decision.plans)
