"""The remedies against each cause, in order (`LADDERS`), with their parameters: which member, how many, how long.

A remedy is a tuple of actions on one knob. A rung without a remedy (no policy is known for the component, no component
calls the committee) is empty and passed over. After the last rung the decision is escalated.

No strategy proposes SCALE_DOWN: every strategy answers a fault, and a smaller committee answers none. It is applied as
the undo of a SCALE_UP, or if an operator requests it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from activities.analyze.causes.symptoms import expand_committee, find_upstream
from activities.model.action import COMMITTEE, Action, ActionType
from activities.model.charter import Committee
from activities.model.diagnosis import Cause, RootCause
from activities.model.topology import Topology
from activities.plan.settings import PlanSettings

Remedy = tuple[Action, ...]

OVERRIDE_DURATION_SECONDS = 300.0
"""Seconds that a bypass or an emergency override lasts at most: both end without the loop, if it is down."""

RESTART_TIMEOUT_SECONDS = 30
"""Seconds that Charter waits for running work before it restarts a member."""


@dataclass(frozen=True)
class StrategyContext:
    """The input of a strategy: the cause, the present committee, the calls and the settings."""

    root: RootCause
    committee: Committee
    topology: Topology
    settings: PlanSettings


Strategy = Callable[[StrategyContext], tuple[Remedy, ...]]


def build_ladder(context: StrategyContext) -> tuple[tuple[Remedy, ...], ...]:
    """Return the alternatives of each rung for this cause, in the order of the ladder; no rungs for an unknown one."""
    return tuple(rung(context) for rung in LADDERS[context.root.cause])


def find_entry_component(topology: Topology, affected: frozenset[str]) -> str | None:
    """Return where load enters: the first affected component, by name, that no affected one calls.

    None if no component is affected, or if all of them call each other in a circle.
    """
    return next((c for c in sorted(affected) if not affected.intersection(topology.callers(c))), None)


def _scale_up(context: StrategyContext) -> tuple[Remedy, ...]:
    replicas = context.committee.replicas + context.settings.scale_step
    grow = Action(type=ActionType.SCALE_UP, parameters={"replicas": replicas})
    unhealthy = sorted((m.leader, m.name) for m in context.committee.members if not m.healthy)
    # The restart is last because it has no inverse. One member at a time.
    return ((grow, *(_restart_action(name) for _, name in unhealthy[:1])),)


def _update_configuration(context: StrategyContext) -> tuple[Remedy, ...]:
    callers = context.topology.callers(COMMITTEE)
    parameters = {"batch_size": 64, "parallelism": 8, "timeout": 5}
    action = ActionType.UPDATE_CONFIGURATION
    return tuple((Action(type=action, component=c, parameters=parameters),) for c in callers[:1])


def _throttle_upstream(context: StrategyContext) -> tuple[Remedy, ...]:
    source = find_entry_component(context.topology, find_upstream(context.topology, (COMMITTEE,)))
    return () if source is None else (_throttle_remedy(source, context.settings),)


def _apply_known_policy(context: StrategyContext) -> tuple[Remedy, ...]:
    component = context.root.component
    return tuple(
        (
            Action(
                type=ActionType.APPLY_POLICY,
                policy=known.name,
                component=component if known.components == (component,) else None,
                parameters=known.parameters,
            ),
        )
        for known in context.settings.known_policies
        if not known.components or component in known.components
    )


def _bypass_validation(context: StrategyContext) -> tuple[Remedy, ...]:
    action = ActionType.BYPASS_VALIDATION
    return (
        (
            Action(
                type=action,
                component=_target_component(context.root),
                parameters={"duration": OVERRIDE_DURATION_SECONDS},
            ),
        ),
    )


def _throttle_affected(context: StrategyContext) -> tuple[Remedy, ...]:
    affected = frozenset(
        {context.root.component, *(component for component, _ in context.root.violated_pairs)} - {COMMITTEE}
    )
    calls = expand_committee(context.topology, (member.name for member in context.committee.members))
    source = find_entry_component(calls, affected) or _target_component(context.root)
    return () if source is None else (_throttle_remedy(source, context.settings),)


def _activate_override(_: StrategyContext) -> tuple[Remedy, ...]:
    return ((Action(type=ActionType.ACTIVATE_EMERGENCY_OVERRIDE, parameters={"duration": OVERRIDE_DURATION_SECONDS}),),)


def _rebalance(context: StrategyContext) -> tuple[Remedy, ...]:
    action = ActionType.REBALANCE_LOAD
    return ((Action(type=action, component=_target_component(context.root), parameters={"strategy": "least_loaded"}),),)


def _restart(context: StrategyContext) -> tuple[Remedy, ...]:
    member = _target_component(context.root)
    return () if member is None else ((_restart_action(member),),)


def _target_component(root: RootCause) -> str | None:
    # "committee" is a knob and a component of a diagnosis, but Charter has no component of this name.
    return None if root.component == COMMITTEE else root.component


def _restart_action(member: str) -> Action:
    parameters = {"member": member, "graceful": True, "timeout": RESTART_TIMEOUT_SECONDS}
    return Action(type=ActionType.RESTART_SERVICE, component=member, parameters=parameters)


def _throttle_remedy(component: str, settings: PlanSettings) -> Remedy:
    # A throttle has no duration at Charter: it stays until its rollback, or until an operator undoes it.
    parameters = {"rate_limit": settings.throttle_rate}
    return (Action(type=ActionType.THROTTLE_REQUESTS, component=component, parameters=parameters),)


LADDERS: Mapping[Cause, tuple[Strategy, ...]] = MappingProxyType(
    {
        Cause.VALIDATION_LATENCY: (_scale_up, _update_configuration, _throttle_upstream),
        Cause.POLICY_MISCONFIGURATION: (_apply_known_policy, _bypass_validation),
        Cause.CASCADE: (_throttle_affected, _activate_override),
        Cause.OVERLOAD: (_rebalance, _restart),
        Cause.UNHEALTHY_MEMBER: (_restart, _rebalance),
        Cause.DEVIATION: (_rebalance, _restart),
        Cause.UNKNOWN: (),
    }
)
