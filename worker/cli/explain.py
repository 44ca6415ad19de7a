"""`mapek explain`: why the loop did what it did, from what it wrote down then."""

from typing import Annotated, Any

import typer
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError

from activities.clients.store.store import Store
from activities.model.audit import AuditEntry
from activities.model.candidate import Candidate
from activities.model.cycle import CycleResult
from activities.model.decision import Decision
from activities.model.diagnosis import Diagnosis, RootCause
from activities.model.effect import Direction, Effect
from activities.model.errors import ConfigurationError, NotFound, StoreUnavailable
from activities.model.outcome import Outcome
from activities.model.plan import Plan
from activities.model.types import Noun, headed
from worker.cli import lookup, output
from worker.cli.session import RPC, AsJson, Session, of, verb


class Carried(Noun):
    """What became of one plan: what was applied and undone, who decided, and how it ended (None while it runs)."""

    plan: Plan
    applied: tuple[Effect, ...] = ()
    undone: tuple[Effect, ...] = ()
    people: tuple[AuditEntry, ...] = ()
    outcome: Outcome | None = None


class Explanation(Noun):
    """Everything known of a cycle or a plan. `result` is the cycle's own where it decided nothing."""

    cycle_id: str
    link: str
    decision: Decision | None = None
    plans: tuple[Carried, ...] = ()
    result: CycleResult | None = None


@verb
async def explain(
    ctx: typer.Context,
    identifier: Annotated[str, typer.Argument(metavar="ID", help="A plan id (12 hex digits) or a cycle id.")],
    as_json: AsJson = False,
) -> None:
    """Tell what was found, why this was chosen, what was rejected and by which rule, and what came of it."""
    session = of(ctx)
    if not (lookup.PLAN_ID.fullmatch(identifier) or lookup.CYCLE_ID.fullmatch(identifier)):
        raise lookup.neither(identifier)
    found = await _stored(session, identifier)
    if found is None:
        async with session.temporal() as client:
            result = await _healthy(client, identifier)
        found = Explanation(cycle_id=identifier, link=session.link(identifier), result=result)
    if as_json:
        return output.as_json(found)
    _show(found)
    return None


async def _stored(session: Session, identifier: str) -> Explanation | None:
    """Return what the store knows; None for a cycle it does not know, because a healthy one leaves nothing there."""
    is_plan = lookup.PLAN_ID.fullmatch(identifier) is not None
    try:
        async with session.store() as store:
            cycle_id = await store.plans.cycle_of_plan(identifier) if is_plan else identifier
            decision = await store.plans.decision_of(cycle_id)
            wanted = [identifier] if is_plan else [plan.plan_id for plan in decision.plans] if decision else []
            if not wanted and decision is None:
                return None
            plans = tuple([await _carried(store, plan) for plan in wanted])
            return Explanation(cycle_id=cycle_id, link=session.link(cycle_id), decision=decision, plans=plans)
    except (StoreUnavailable, ConfigurationError) as error:
        if is_plan:
            raise
        output.note(f"what it decided is not known: {error}")
        return None


async def _carried(store: Store, plan_id: str) -> Carried:
    effects = await store.plans.effects(plan_id)
    return Carried(
        plan=await store.plans.get(plan_id),
        applied=tuple(e for e in effects if e.direction is Direction.DO),
        undone=tuple(e for e in effects if e.direction is Direction.UNDO),
        people=tuple(e for e in await store.audit.of_plan(plan_id) if e.kind in ("approval", "quarantine")),
        outcome=await store.outcomes.of_plan(plan_id),
    )


async def _healthy(client: Client, cycle_id: str) -> CycleResult:
    """Return what the cycle itself answered.

    Raises:
        NotFound: Temporal does not know it, it still runs, or it ended without an answer.
    """
    handle = client.get_workflow_handle(cycle_id, result_type=CycleResult)
    described = await handle.describe(rpc_timeout=RPC)
    if described.status is WorkflowExecutionStatus.RUNNING:
        raise NotFound(f"cycle {cycle_id} still runs; ask again in a minute")
    try:
        return CycleResult.model_validate(await handle.result(rpc_timeout=RPC))
    except WorkflowFailureError as error:
        raise NotFound(f"cycle {cycle_id} ended without an answer: {error.cause}") from None


def _show(found: Explanation) -> None:
    output.heading(f"cycle {found.cycle_id}")
    output.line(f"  {found.link}")
    if found.result is not None:
        _show_result(found.result)
    if found.decision is not None:
        _show_decision(found.decision)
    for carried in found.plans:
        _show_plan(carried)


def _show_result(result: CycleResult) -> None:
    output.line(headed(result.outcome, result.headline))
    output.lines("Violations", result.violations)
    output.lines("Blind spots", result.blind)
    output.lines("Rejected", result.rejected)


def _show_decision(decision: Decision) -> None:
    output.line(headed(decision.outcome, decision.headline))
    _show_diagnosis(decision.diagnosis)
    chosen = [_promise(c) for c in decision.candidates if not c.rejected_by]
    output.lines("Chosen", chosen)
    output.lines("Rejected", [c.text for c in decision.candidates if c.rejected_by])
    output.lines("Held back by guards", [f"{b.rule} on {b.knob}: {b.reason}" for b in decision.blocks])
    output.lines("Held back, not started", [f"plan {p.plan_id}: {p.headline}" for p in decision.shadow])


def _show_diagnosis(diagnosis: Diagnosis) -> None:
    output.lines("Found", [v.text for v in diagnosis.violations])
    output.lines("Blind spots", [b.text for b in diagnosis.blind])
    patterns = [
        f"{p.kind} {p.confidence:.2f} on {', '.join(p.components)}: {p.evidence.text}" for p in diagnosis.patterns
    ]
    output.lines("Patterns", patterns)
    causes = [f"{c.cause} on {c.component}, confidence {_sure(c)}: {c.why}" for c in diagnosis.root_causes]
    output.lines(f"Root causes (overall confidence {diagnosis.confidence:.2f})", causes)


def _sure(cause: RootCause) -> str:
    learned = "" if cause.prior is None else f" ({cause.prior:.2f} before anything was learned)"
    return f"{cause.confidence:.2f}{learned}"


def _show_plan(carried: Carried) -> None:
    plan = carried.plan
    output.heading(f"plan {plan.plan_id}: {plan.headline}")
    need = "needed approval" if plan.needs_approval else "needed no approval"
    output.line(f"  knob {plan.knob}, rung {plan.rung} of incident {plan.incident_id}, risk {plan.risk}, {need}")
    output.line(f"  benefit {plan.benefit:.2f} − cost {plan.cost:.2f} = score {plan.score:+.2f}")
    output.lines("People", [f"{output.when(e.at)} {e.who}: {e.text}" for e in carried.people])
    output.lines("Applied", [_effect(plan, effect) for effect in carried.applied])
    output.lines("Undone", [_effect(plan, effect) for effect in carried.undone])
    if carried.outcome is None:
        output.line("Verdict: none yet")
    else:
        o = carried.outcome
        output.line(f"Verdict: {o.ending} ({o.type}), violations {o.before} before, {o.after} after: {o.headline}")
        if o.relapsed_at is not None:
            output.line(
                f"Relapsed: the trouble was back at {output.when(o.relapsed_at)}, so it counts as not having helped"
            )


def _promise(chosen: Candidate) -> str:
    drawn = f", drawn with probability {chosen.propensity:.2f}" if 0.0 < chosen.propensity < 1.0 else ""
    believed = f"believed to help at {chosen.effectiveness:.2f}, above {chosen.lower:.2f} with 95 %"
    return f"{chosen.text}; {believed}{drawn}"


def _effect(plan: Plan, effect: Effect) -> str:
    action = plan.actions[effect.step].text if effect.step < len(plan.actions) else f"step {effect.step}"
    values: dict[str, Any] = effect.previous or {}
    before = f", before: {', '.join(f'{k} {v}' for k, v in sorted(values.items()))}" if values else ""
    nothing = "" if effect.changed else " (nothing had to be done)"
    return f"{output.when(effect.at)} {action}, generation {effect.generation}{before}{nothing}"
