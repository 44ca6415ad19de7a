"""The verb `undo`: bring a knob back to what stood before a plan, weeks later if need be."""

import asyncio
import time
from typing import Annotated

import typer
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.clients.http import Http
from activities.clients.store.store import Store
from activities.model.errors import FinalError, NotFound, Superseded
from activities.model.plan import Plan
from activities.model.remediation import RemediationRequest
from activities.model.types import headed
from activities.plan.undo import Present, undo_plan
from activities.settings import LoopSettings
from worker.assemble import loop_parts
from worker.cli import lookup, output
from worker.cli.session import RPC, PlanId, Session, Who, Why, of, person, verb
from workflows import names
from workflows.search_attributes import attributes

LOOK = 1.0
"""Seconds between two looks whether it has ended; a person is waiting, and verifying takes minutes."""


@verb
async def undo(
    ctx: typer.Context,
    plan: PlanId,
    why: Why = "",
    who: Who = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is verified, and print how it ended.")] = False,
) -> None:
    """Undo what PLAN changed: a plan like any other, refused if somebody changed the knob since."""
    session, by = of(ctx), person(who)
    async with session.temporal() as client, session.store() as store:
        original = await store.plans.get(lookup.plan_id(plan))
        settings = session.loop(original.loop)
        await _end_rest(client, original)
        wanted = await _made(store, original, settings, by)
        workflow_id = await _started(client, wanted, why)
        output.line(f"{wanted.plan_id} {wanted.headline}")
        output.note(session.link(workflow_id))
        if wanted.needs_approval:
            output.note(f"waits for somebody else: `mapek approve {wanted.plan_id}`")
        if wait:
            await _ended(session, client, store, wanted)


async def _end_rest(client: Client, plan: Plan) -> None:
    """End the knob's cool-down: it guards against the loop's next idea, not against a person's."""
    for one in await lookup.running(client, plan.loop, ("Remediation",)):
        if one.id == plan.workflow_id and lookup.attribute(one, names.PHASE) == "cooling-down":
            handle = client.get_workflow_handle(one.id, run_id=one.run_id)
            await handle.cancel(rpc_timeout=RPC)
            await handle.result(rpc_timeout=RPC)


async def _made(store: Store, original: Plan, settings: LoopSettings, by: str) -> Plan:
    """Return the stored plan that undoes `original`, made from what Charter says now."""
    http = Http()
    try:
        charter = loop_parts(settings, http).charter
        committee, policies = await asyncio.gather(
            charter.committee(), charter.policies(original.knob, everything=True)
        )
    finally:
        await http.close()
    present = Present(
        at=time.time(),
        who=by,
        committee=committee,
        policies=policies,
        components=tuple(sorted({*settings.components, *(member.name for member in committee.members)})),
        approval=settings.plan.approval,
    )
    wanted = undo_plan(original, await store.plans.effects(original.plan_id), present)
    return await store.plans.put(wanted, present.at)


async def _started(client: Client, plan: Plan, why: str) -> str:
    try:
        await client.start_workflow(
            "Remediation",
            RemediationRequest(loop=plan.loop, plan_id=plan.plan_id),
            id=plan.workflow_id,
            task_queue=names.QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            static_summary=f"{plan.headline}, asked for by {plan.requested_by}: {why}"[:180],
            search_attributes=attributes(
                {
                    names.LOOP: plan.loop,
                    names.TRIGGER: "manual",
                    names.PHASE: "preparing",
                    names.KNOB: plan.knob,
                    names.PLAN: plan.plan_id,
                }
            ),
            rpc_timeout=RPC,
        )
    except WorkflowAlreadyStartedError:
        raise Superseded(f"{plan.knob} is being remediated; wait for it, or `mapek stop {plan.loop}`") from None
    return plan.workflow_id


async def _ended(session: Session, client: Client, store: Store, wanted: Plan) -> None:
    """Print how the plan ended, as soon as that is recorded: its knob may rest for long after it."""
    handle = client.get_workflow_handle(wanted.workflow_id)
    with output.waiting(f"waiting for {wanted.workflow_id}"):
        runs = True
        while (outcome := await store.outcomes.of_plan(wanted.plan_id)) is None:
            if not runs:
                raise FinalError(f"it ended without an outcome; upkeep settles it: {session.link(wanted.workflow_id)}")
            await asyncio.sleep(LOOK)
            runs = (await handle.describe(rpc_timeout=RPC)).status is WorkflowExecutionStatus.RUNNING
    output.line(headed(outcome.ending, outcome.headline))
    if outcome.seconds is None:
        raise NotFound(f"nothing was undone: {session.link(wanted.workflow_id)}")
