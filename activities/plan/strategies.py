"""The strategies: for each cause a ladder of rungs, for each rung the alternatives.

A remedy is one tuple of actions on one knob; a rung that cannot be built here (no policy is known for the component,
nobody calls the committee) is empty and passed over. After the last rung comes a person.

SCALE_DOWN is a supported action that no strategy proposes: every strategy answers a fault, and taking a member away
answers none of them. It is executed when a person plans it and is how a SCALE_UP is undone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from activities.analyze.causes.symptoms import expanded, upstream
from activities.model.action import COMMITTEE, Action, ActionType
from activities.model.charter import Committee
from activities.model.diagnosis import Cause, RootCause
from activities.model.topology import Topology
from activities.plan.settings import PlanSettings

Remedy = tuple[Action, ...]

DURATION = 300.0
"""Seconds a bypass or an emergency override lasts at most: both end by themselves if nobody can end them."""

RESTART_TIMEOUT = 30
"""Seconds Charter waits for running work before it restarts a member all the same."""


@dataclass(frozen=True)
class Ground:
    """What a strategy builds upon: the cause, the committee as it is, who calls whom, and the settings."""

    root: RootCause
    committee: Committee
    topology: Topology
    settings: PlanSettings


Rung = Callable[[Ground], tuple[Remedy, ...]]


def remedies(ground: Ground) -> tuple[tuple[Remedy, ...], ...]:
    """Return the alternatives of each rung for this cause, in the order of the ladder; no rungs for an unknown one."""
    return tuple(rung(ground) for rung in LADDERS[ground.root.cause])


def entry(topology: Topology, affected: frozenset[str]) -> str | None:
    """Return where load enters the affected part: the first affected component, by name, that no affected one calls.

    None if there is none (nothing is affected, or they all call each other in a circle).
    """
    return next((c for c in sorted(affected) if not affected.intersection(topology.callers(c))), None)


def _scale_up(ground: Ground) -> tuple[Remedy, ...]:
    replicas = ground.committee.replicas + ground.settings.scale_step
    grow = Action(type=ActionType.SCALE_UP, parameters={"replicas": replicas})
    ill = sorted((m.leader, m.name) for m in ground.committee.members if not m.healthy)
    # The restart comes last because nothing undoes it, and one member at a time.
    return ((grow, *(_restart_of(name) for _, name in ill[:1])),)


def _tune(ground: Ground) -> tuple[Remedy, ...]:
    callers = ground.topology.callers(COMMITTEE)
    parameters = {"batch_size": 64, "parallelism": 8, "timeout": 5}
    action = ActionType.UPDATE_CONFIGURATION
    return tuple((Action(type=action, component=c, parameters=parameters),) for c in callers[:1])


def _throttle_upstream(ground: Ground) -> tuple[Remedy, ...]:
    source = entry(ground.topology, upstream(ground.topology, (COMMITTEE,)))
    return () if source is None else (_throttle_of(source, ground.settings),)


def _known_policy(ground: Ground) -> tuple[Remedy, ...]:
    component = ground.root.component
    return tuple(
        (
            Action(
                type=ActionType.APPLY_POLICY,
                policy=known.name,
                component=component if known.components == (component,) else None,
                parameters=known.parameters,
            ),
        )
        for known in ground.settings.known_policies
        if not known.components or component in known.components
    )


def _bypass(ground: Ground) -> tuple[Remedy, ...]:
    action = ActionType.BYPASS_VALIDATION
    return ((Action(type=action, component=_target(ground.root), parameters={"duration": DURATION}),),)


def _throttle_affected(ground: Ground) -> tuple[Remedy, ...]:
    affected = frozenset({ground.root.component, *(component for component, _ in ground.root.pairs)} - {COMMITTEE})
    calls = expanded(ground.topology, (member.name for member in ground.committee.members))
    source = entry(calls, affected) or _target(ground.root)
    return () if source is None else (_throttle_of(source, ground.settings),)


def _override(_: Ground) -> tuple[Remedy, ...]:
    return ((Action(type=ActionType.ACTIVATE_EMERGENCY_OVERRIDE, parameters={"duration": DURATION}),),)


def _rebalance(ground: Ground) -> tuple[Remedy, ...]:
    action = ActionType.REBALANCE_LOAD
    return ((Action(type=action, component=_target(ground.root), parameters={"strategy": "least_loaded"}),),)


def _restart(ground: Ground) -> tuple[Remedy, ...]:
    member = _target(ground.root)
    return () if member is None else ((_restart_of(member),),)


def _target(root: RootCause) -> str | None:
    # "committee" is a knob and a place for a diagnosis, but no component that Charter knows.
    return None if root.component == COMMITTEE else root.component


def _restart_of(member: str) -> Action:
    parameters = {"member": member, "graceful": True, "timeout": RESTART_TIMEOUT}
    return Action(type=ActionType.RESTART_SERVICE, component=member, parameters=parameters)


def _throttle_of(component: str, settings: PlanSettings) -> Remedy:
    parameters = {"rate_limit": settings.throttle_rate}
    return (Action(type=ActionType.THROTTLE_REQUESTS, component=component, parameters=parameters),)


LADDERS: Mapping[Cause, tuple[Rung, ...]] = MappingProxyType(
    {
        Cause.VALIDATION_LATENCY: (_scale_up, _tune, _throttle_upstream),
        Cause.POLICY_MISCONFIGURATION: (_known_policy, _bypass),
        Cause.CASCADE: (_throttle_affected, _override),
        Cause.OVERLOAD: (_rebalance, _restart),
        Cause.UNHEALTHY_MEMBER: (_restart, _rebalance),
        Cause.DEVIATION: (_rebalance, _restart),
        Cause.UNKNOWN: (),
    }
)
