"""`mapek explain`: the recorded reasons and effects of a cycle or a plan."""

from typing import Annotated, Any

import typer
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError

from activities.clients.store.store import Store
from activities.model.audit import AuditEntry, AuditKind
from activities.model.candidate import Candidate
from activities.model.cycle import CycleResult
from activities.model.decision import Decision
from activities.model.diagnosis import Diagnosis, RootCause
from activities.model.effect import Direction, Effect
from activities.model.errors import ConfigurationError, NotFound, StoreUnavailable
from activities.model.outcome import Outcome
from activities.model.plan import Plan
from activities.model.types import FrozenModel, with_outcome_prefix
from activities.model.violation import BreachSide, Violation
from worker.cli import lookup, output
from worker.cli.session import RPC_TIMEOUT, JsonOption, Session, async_command, current_session


class PlanReport(FrozenModel):
    """One plan: its effects, the decisions of operators, and its outcome (None while it runs)."""

    plan: Plan
    applied: tuple[Effect, ...] = ()
    undone: tuple[Effect, ...] = ()
    people: tuple[AuditEntry, ...] = ()
    outcome: Outcome | None = None


class Explanation(FrozenModel):
    """All records of a cycle or a plan. `result` is the cycle's result if it stored no decision."""

    cycle_id: str
    link: str
    decision: Decision | None = None
    plans: tuple[PlanReport, ...] = ()
    result: CycleResult | None = None


@async_command
async def explain(
    ctx: typer.Context,
    identifier: Annotated[str, typer.Argument(metavar="ID", help="A plan id (12 hex digits) or a cycle id.")],
    as_json: JsonOption = False,
) -> None:
    """Show what was found, chosen and rejected, with the rules, and the effects and outcome of each plan."""
    session = current_session(ctx)
    if not (lookup.PLAN_ID_PATTERN.fullmatch(identifier) or lookup.CYCLE_ID_PATTERN.fullmatch(identifier)):
        raise lookup.unknown_id_error(identifier)
    explanation = await _load_explanation(session, identifier)
    if explanation is None:
        async with session.connect_temporal() as client:
            result = await _fetch_cycle_result(client, identifier)
        explanation = Explanation(cycle_id=identifier, link=session.workflow_url(identifier), result=result)
    if as_json:
        return output.print_json(explanation)
    _show_explanation(explanation)
    return None


async def _load_explanation(session: Session, identifier: str) -> Explanation | None:
    """Return the records of the store, None for a cycle without any: a healthy cycle stores nothing."""
    is_plan = lookup.PLAN_ID_PATTERN.fullmatch(identifier) is not None
    try:
        async with session.open_store() as store:
            cycle_id = await store.plans.load_cycle_id(identifier) if is_plan else identifier
            decision = await store.plans.load_decision(cycle_id)
            plan_ids = [identifier] if is_plan else [plan.plan_id for plan in decision.plans] if decision else []
            if not plan_ids and decision is None:
                return None
            plans = tuple([await _load_plan_report(store, plan_id) for plan_id in plan_ids])
            return Explanation(cycle_id=cycle_id, link=session.workflow_url(cycle_id), decision=decision, plans=plans)
    except (StoreUnavailable, ConfigurationError) as error:
        if is_plan:
            raise
        output.print_status(f"decision unknown: {error}")
        return None


async def _load_plan_report(store: Store, plan_id: str) -> PlanReport:
    effects = await store.plans.load_effects(plan_id)
    entries = await store.audit.load_for_plan(plan_id)
    return PlanReport(
        plan=await store.plans.get(plan_id),
        applied=tuple(e for e in effects if e.direction is Direction.DO),
        undone=tuple(e for e in effects if e.direction is Direction.UNDO),
        people=tuple(e for e in entries if e.kind in (AuditKind.APPROVAL, AuditKind.QUARANTINE)),
        outcome=await store.outcomes.load_for_plan(plan_id),
    )


async def _fetch_cycle_result(client: Client, cycle_id: str) -> CycleResult:
    """Return the result of the cycle's workflow.

    Raises:
        NotFound: Temporal does not know the cycle, it still runs, or it failed.
    """
    handle = client.get_workflow_handle(cycle_id, result_type=CycleResult)
    description = await handle.describe(rpc_timeout=RPC_TIMEOUT)
    if description.status is WorkflowExecutionStatus.RUNNING:
        raise NotFound(f"cycle {cycle_id} still runs; try again in a minute")
    try:
        return CycleResult.model_validate(await handle.result(rpc_timeout=RPC_TIMEOUT))
    except WorkflowFailureError as error:
        raise NotFound(f"cycle {cycle_id} failed: {error.cause}") from None


def _show_explanation(explanation: Explanation) -> None:
    output.print_heading(f"cycle {explanation.cycle_id}")
    output.print_line(f"  {explanation.link}")
    if explanation.result is not None:
        _show_result(explanation.result)
    if explanation.decision is not None:
        _show_decision(explanation.decision)
    for plan_report in explanation.plans:
        _show_plan(plan_report)


def _show_result(result: CycleResult) -> None:
    output.print_line(with_outcome_prefix(result.outcome, result.headline))
    output.print_list("Violations", result.violations)
    output.print_list("Blind spots", result.blind)
    output.print_list("Rejected", result.rejected)


def _show_decision(decision: Decision) -> None:
    output.print_line(with_outcome_prefix(decision.outcome, decision.headline))
    _show_diagnosis(decision.diagnosis)
    chosen = [_format_candidate(c) for c in decision.candidates if not c.rejected_by]
    output.print_list("Chosen", chosen)
    output.print_list("Rejected", [c.summary for c in decision.candidates if c.rejected_by])
    output.print_list("Blocked by guards", [f"{b.rule} on {b.knob}: {b.reason}" for b in decision.blocks])
    output.print_list("Shadow plans, not started", [f"plan {p.plan_id}: {p.headline}" for p in decision.shadow])


def _show_diagnosis(diagnosis: Diagnosis) -> None:
    output.print_list("Found", [_format_violation(v) for v in diagnosis.violations])
    output.print_list("Blind spots", [b.summary for b in diagnosis.blind])
    patterns = [
        f"{p.kind} {p.confidence:.2f} on {', '.join(p.components)}: {p.evidence.summary}" for p in diagnosis.patterns
    ]
    output.print_list("Patterns", patterns)
    causes = [
        f"{c.cause} on {c.component}, confidence {_format_confidence(c)}: {c.reason}" for c in diagnosis.root_causes
    ]
    output.print_list(f"Root causes (overall confidence {diagnosis.confidence:.2f})", causes)


def _format_confidence(cause: RootCause) -> str:
    learned = "" if cause.prior is None else f" ({cause.prior:.2f} before learning)"
    return f"{cause.confidence:.2f}{learned}"


def _show_plan(plan_report: PlanReport) -> None:
    plan = plan_report.plan
    output.print_heading(f"plan {plan.plan_id}: {plan.headline}")
    need = "needed approval" if plan.needs_approval else "needed no approval"
    output.print_line(f"  knob {plan.knob}, rung {plan.rung} of incident {plan.incident_id}, risk {plan.risk}, {need}")
    output.print_line(f"  benefit {plan.benefit:.2f} − cost {plan.cost:.2f} = score {plan.score:+.2f}")
    output.print_list("Operators", [f"{output.format_time(e.at)} {e.actor}: {e.summary}" for e in plan_report.people])
    output.print_list("Applied", [_format_effect(plan, effect) for effect in plan_report.applied])
    output.print_list("Undone", [_format_effect(plan, effect) for effect in plan_report.undone])
    _show_outcome(plan_report.outcome)


def _show_outcome(outcome: Outcome | None) -> None:
    if outcome is None:
        output.print_line("Verdict: none yet")
        return
    counts = f"violations {outcome.before} before, {outcome.after} after"
    output.print_line(f"Verdict: {outcome.outcome} ({outcome.type}), {counts}: {outcome.headline}")
    if outcome.relapsed_at is not None:
        relapse = output.format_time(outcome.relapsed_at)
        output.print_line(f"Relapsed: the violations returned at {relapse}, so the plan counts as ineffective")


def _format_violation(violation: Violation) -> str:
    if violation.value is None or violation.limit is None:
        return violation.summary
    sign = "<" if violation.breach is BreachSide.BELOW else ">"
    value, limit = (output.format_quantity(violation.metric, number) for number in (violation.value, violation.limit))
    return f"{violation.metric} {value} {sign} {limit} on {violation.component}"


def _format_candidate(candidate: Candidate) -> str:
    draw = f", drawn with probability {candidate.propensity:.2f}" if 0.0 < candidate.propensity < 1.0 else ""
    lower_bound = f"lower bound {candidate.effectiveness_lower_bound:.2f} (95 %)"
    return f"{candidate.summary}; effectiveness {candidate.effectiveness:.2f}, {lower_bound}{draw}"


def _format_effect(plan: Plan, effect: Effect) -> str:
    action = plan.actions[effect.step].summary if effect.step < len(plan.actions) else f"step {effect.step}"
    values: dict[str, Any] = effect.previous or {}
    before = f", before: {', '.join(f'{k} {v}' for k, v in sorted(values.items()))}" if values else ""
    unchanged = "" if effect.changed else " (no change needed)"
    return f"{output.format_time(effect.at)} {action}, generation {effect.generation}{before}{unchanged}"
