"""`mapek undo`: restore what a knob had before a plan, also weeks later."""

import asyncio
import time
from typing import Annotated

import typer
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.clients.http import HttpClient
from activities.clients.store.store import Store
from activities.model import identifiers
from activities.model.cycle import Trigger
from activities.model.errors import FinalError, NotFound, Superseded
from activities.model.phase import Phase
from activities.model.plan import Plan
from activities.model.remediation import RemediationRequest
from activities.model.types import with_outcome_prefix
from activities.plan.undo import UndoContext, build_undo_plan
from activities.settings import LoopSettings
from worker.assemble import build_loop_dependencies
from worker.cli import lookup, output
from worker.cli.session import (
    RPC_TIMEOUT,
    ActorOption,
    PlanArgument,
    ReasonOption,
    Session,
    actor_or_user,
    async_command,
    current_session,
)
from workflows import search_attributes
from workflows.search_attributes import build_search_attributes

UNDO_POLL_SECONDS = 1.0
"""Seconds between two checks for the outcome. An operator waits, and verification takes minutes."""


@async_command
async def undo(
    ctx: typer.Context,
    plan: PlanArgument,
    reason: ReasonOption = "",
    actor: ActorOption = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the verification and print the outcome.")] = False,
) -> None:
    """Undo what PLAN changed, by a plan of its own. Refused if the knob was changed since."""
    session, actor = current_session(ctx), actor_or_user(actor)
    async with session.connect_temporal() as client, session.open_store() as store:
        original = await store.plans.get(lookup.parse_plan_id(plan))
        settings = session.loop(original.loop)
        await _end_cool_down(client, original)
        undo_plan = await _build_undo_plan(store, original, settings, actor)
        workflow_id = await _start_remediation(client, undo_plan, reason)
        output.print_line(f"{undo_plan.plan_id} {undo_plan.headline}")
        output.print_status(session.workflow_url(workflow_id))
        if undo_plan.needs_approval:
            output.print_status(f"waits for approval by another operator: `mapek approve {undo_plan.plan_id}`")
        if wait:
            await _wait_for_outcome(session, client, store, undo_plan)


async def _end_cool_down(client: Client, plan: Plan) -> None:
    """End the cool-down of the plan's remediation: it holds back the loop, not an operator."""
    for execution in await lookup.list_running_workflows(client, plan.loop, identifiers.REMEDIATION_TYPES):
        phase = lookup.read_search_attribute(execution, search_attributes.PHASE)
        if execution.id == plan.workflow_id and phase == Phase.COOLING_DOWN:
            handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
            await handle.cancel(rpc_timeout=RPC_TIMEOUT)
            await handle.result(rpc_timeout=RPC_TIMEOUT)


async def _build_undo_plan(store: Store, original: Plan, settings: LoopSettings, actor: str) -> Plan:
    """Store and return a plan that undoes `original`, from the present state of Charter."""
    http = HttpClient()
    try:
        charter = build_loop_dependencies(settings, http).charter
        committee, policies = await asyncio.gather(
            charter.fetch_committee(), charter.fetch_policies(original.knob, include_inactive=True)
        )
    finally:
        await http.close()
    context = UndoContext(
        at=time.time(),
        actor=actor,
        committee=committee,
        policies=policies,
        components=tuple(sorted({*settings.components, *(member.name for member in committee.members)})),
        approval=settings.plan.approval,
    )
    undo_plan = build_undo_plan(original, await store.plans.load_effects(original.plan_id), context)
    return await store.plans.put(undo_plan, context.at)


async def _start_remediation(client: Client, plan: Plan, reason: str) -> str:
    try:
        await client.start_workflow(
            identifiers.WorkflowName.REMEDIATION,
            RemediationRequest(loop=plan.loop, plan_id=plan.plan_id),
            id=plan.workflow_id,
            task_queue=identifiers.TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            static_summary=f"{plan.headline}, requested by {plan.requested_by}: {reason}"[:180],
            search_attributes=build_search_attributes(
                {
                    search_attributes.LOOP: plan.loop,
                    search_attributes.TRIGGER: Trigger.MANUAL,
                    search_attributes.PHASE: Phase.PREPARING,
                    search_attributes.KNOB: plan.knob,
                    search_attributes.PLAN: plan.plan_id,
                }
            ),
            rpc_timeout=RPC_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        raise Superseded(f"a remediation of {plan.knob} is running; wait, or run `mapek stop {plan.loop}`") from None
    return plan.workflow_id


async def _wait_for_outcome(session: Session, client: Client, store: Store, plan: Plan) -> None:
    """Print the outcome as soon as it is recorded; the cool-down that follows may take long."""
    handle = client.get_workflow_handle(plan.workflow_id)
    with output.spinner(f"waiting for {plan.workflow_id}"):
        is_running = True
        while (outcome := await store.outcomes.load_for_plan(plan.plan_id)) is None:
            if not is_running:
                raise FinalError(
                    f"the remediation ended without an outcome; upkeep will roll it back:"
                    f" {session.workflow_url(plan.workflow_id)}"
                )
            await asyncio.sleep(UNDO_POLL_SECONDS)
            description = await handle.describe(rpc_timeout=RPC_TIMEOUT)
            is_running = description.status is WorkflowExecutionStatus.RUNNING
    output.print_line(with_outcome_prefix(outcome.outcome, outcome.headline))
    if outcome.seconds is None:
        raise NotFound(f"nothing was undone: {session.workflow_url(plan.workflow_id)}")
