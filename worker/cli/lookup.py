"""Look up plans, cycles and workflows in the store and at Temporal."""

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
    """Return the text if it has the form of a plan id. Raises BadParameter."""
    if not PLAN_ID_PATTERN.fullmatch(text):
        raise typer.BadParameter(f"invalid plan id {text!r}: use 12 hex digits, as `mapek status` shows them")
    return text


def read_search_attribute(execution: WorkflowExecution, key: SearchAttributeKey[str]) -> str:
    """Return a search attribute of a workflow, "" without it."""
    return execution.typed_search_attributes.get(key) or ""


async def list_running_workflows(client: Client, loop: str, workflow_types: tuple[str, ...]) -> list[WorkflowExecution]:
    """Return the loop's running workflows of these types. Visibility lags: a new one may be missing for a moment."""
    types = identifiers.type_query(*workflow_types)
    query = f'{search_attributes.LOOP.name}="{loop}" AND ExecutionStatus="Running" AND {types}'
    return [execution async for execution in client.list_workflows(query, rpc_timeout=RPC_TIMEOUT)]


def list_cycles(client: Client, loops: list[str], outcome: str, limit: int) -> AsyncIterator[WorkflowExecution]:
    """Yield the newest cycles of the loops, of one outcome if one is given."""
    quoted_loops = ", ".join(f'"{loop}"' for loop in loops)
    types = identifiers.type_query(identifiers.WorkflowName.CYCLE)
    query = f"{types} AND {search_attributes.LOOP.name} IN ({quoted_loops})"
    if outcome:
        query += f' AND {search_attributes.OUTCOME.name}="{outcome}"'
    return client.list_workflows(query, limit=limit, page_size=min(limit, 1000), rpc_timeout=RPC_TIMEOUT)


async def find_remediation_id(session: Session, client: Client, plan_id: str) -> str:
    """Return the workflow id of the plan's remediation, from the store or else from the search attributes.

    Raises:
        NotFound: neither knows the plan.
    """
    try:
        async with session.open_store() as store:
            plan = await store.plans.get(plan_id)
            return identifiers.remediation_id(plan.charter, plan.knob)
    except (StoreUnavailable, ConfigurationError, NotFound):
        types = identifiers.type_query(*identifiers.REMEDIATION_TYPES)
        query = f'{types} AND {search_attributes.PLAN.name}="{plan_id}"'
        async for execution in client.list_workflows(query, limit=1, rpc_timeout=RPC_TIMEOUT):
            return execution.id
    raise NotFound(f"plan {plan_id} is neither in the store nor among the remediations")


def unknown_id_error(identifier: str) -> typer.BadParameter:
    """Return the error for an id that is neither a plan's nor a cycle's."""
    return typer.BadParameter(
        f"invalid id {identifier!r}: use a plan id (12 hex digits) or a cycle id (mapek-cycle:...)"
    )


async def find_plan_ids(store: Store, identifier: str) -> tuple[str, ...]:
    """Return the plan with this id, or all plans of the cycle with this id.

    Raises:
        NotFound: there is no such plan, or the cycle has no stored decision.
    """
    if PLAN_ID_PATTERN.fullmatch(identifier):
        return ((await store.plans.get(identifier)).plan_id,)
    if not CYCLE_ID_PATTERN.fullmatch(identifier):
        raise unknown_id_error(identifier)
    decision = await store.plans.load_decision(identifier)
    if decision is None:
        raise NotFound(f"cycle {identifier} has no stored decision: it was healthy, or retention has deleted it")
    return tuple(plan.plan_id for plan in decision.plans)
