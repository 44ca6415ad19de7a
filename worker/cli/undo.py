"""The verb `undo`: bring a knob back to what stood before a plan, weeks later if need be."""

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

POLL_SECONDS = 1.0
"""Seconds between two looks whether it has ended; a person is waiting, and verifying takes minutes."""


@async_command
async def undo(
    ctx: typer.Context,
    plan: PlanArgument,
    reason: ReasonOption = "",
    actor: ActorOption = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is verified, and print how it ended.")] = False,
) -> None:
    """Undo what PLAN changed: a plan like any other, refused if somebody changed the knob since."""
    session, by = current_session(ctx), actor_or_user(actor)
    async with session.connect_temporal() as client, session.open_store() as store:
        original = await store.plans.get(lookup.parse_plan_id(plan))
        settings = session.loop(original.loop)
        await _end_cool_down(client, original)
        wanted = await _build_undo_plan(store, original, settings, by)
        workflow_id = await _start_remediation(client, wanted, reason)
        output.print_line(f"{wanted.plan_id} {wanted.headline}")
        output.print_status(session.workflow_url(workflow_id))
        if wanted.needs_approval:
            output.print_status(f"waits for somebody else: `mapek approve {wanted.plan_id}`")
        if wait:
            await _wait_for_outcome(session, client, store, wanted)


async def _end_cool_down(client: Client, plan: Plan) -> None:
    """End the knob's cool-down: it guards against the loop's next idea, not against a person's."""
    for one in await lookup.list_running_workflows(client, plan.loop, identifiers.REMEDIATION_TYPES):
        if (
            one.id == plan.workflow_id
            and lookup.read_search_attribute(one, search_attributes.PHASE) == Phase.COOLING_DOWN
        ):
            handle = client.get_workflow_handle(one.id, run_id=one.run_id)
            await handle.cancel(rpc_timeout=RPC_TIMEOUT)
            await handle.result(rpc_timeout=RPC_TIMEOUT)


async def _build_undo_plan(store: Store, original: Plan, settings: LoopSettings, actor: str) -> Plan:
    """Return the stored plan that undoes `original`, made from what Charter says now."""
    http = HttpClient()
    try:
        charter = build_loop_dependencies(settings, http).charter
        committee, policies = await asyncio.gather(
            charter.fetch_committee(), charter.fetch_policies(original.knob, include_inactive=True)
        )
    finally:
        await http.close()
    present = UndoContext(
        at=time.time(),
        actor=actor,
        committee=committee,
        policies=policies,
        components=tuple(sorted({*settings.components, *(member.name for member in committee.members)})),
        approval=settings.plan.approval,
    )
    wanted = build_undo_plan(original, await store.plans.load_effects(original.plan_id), present)
    return await store.plans.put(wanted, present.at)


async def _start_remediation(client: Client, plan: Plan, reason: str) -> str:
    try:
        await client.start_workflow(
            identifiers.WorkflowName.REMEDIATION,
            RemediationRequest(loop=plan.loop, plan_id=plan.plan_id),
            id=plan.workflow_id,
            task_queue=identifiers.TASK_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            static_summary=f"{plan.headline}, asked for by {plan.requested_by}: {reason}"[:180],
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
        raise Superseded(f"{plan.knob} is being remediated; wait for it, or `mapek stop {plan.loop}`") from None
    return plan.workflow_id


async def _wait_for_outcome(session: Session, client: Client, store: Store, plan: Plan) -> None:
    """Print how the plan ended, as soon as that is recorded: its knob may rest for long after it."""
    handle = client.get_workflow_handle(plan.workflow_id)
    with output.spinner(f"waiting for {plan.workflow_id}"):
        runs = True
        while (outcome := await store.outcomes.load_for_plan(plan.plan_id)) is None:
            if not runs:
                raise FinalError(
                    f"it ended without an outcome; upkeep settles it: {session.workflow_url(plan.workflow_id)}"
                )
            await asyncio.sleep(POLL_SECONDS)
            runs = (await handle.describe(rpc_timeout=RPC_TIMEOUT)).status is WorkflowExecutionStatus.RUNNING
    output.print_line(with_outcome_prefix(outcome.outcome, outcome.headline))
    if outcome.seconds is None:
        raise NotFound(f"nothing was undone: {session.workflow_url(plan.workflow_id)}")
