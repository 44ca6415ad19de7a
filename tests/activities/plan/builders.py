"""Builders of decisions' inputs: a committee, root causes, and the context around them."""

from dataclasses import replace
from typing import Any

from activities.knowledge.settings import KnowledgeSettings
from activities.model.autonomy import Autonomy, Level
from activities.model.blindspot import BlindSpot
from activities.model.charter import Committee, Member
from activities.model.diagnosis import Cause, Diagnosis, RootCause
from activities.model.experience import Experience
from activities.model.guard_state import GuardState
from activities.model.mode import LoopMode, Mode
from activities.model.plan import Verification
from activities.model.snapshot import AnalysisInput
from activities.model.topology import Topology
from activities.model.violation import Violation
from activities.plan.context import PlanContext
from activities.plan.settings import PlanSettings

CALL_TOPOLOGY = Topology(
    edges=(("gateway", "policy-engine"), ("policy-engine", "audit-log"), ("policy-engine", "committee"))
)
SERVICES = ("gateway", "policy-engine", "audit-log")


def make_committee(
    replicas: int = 5, unhealthy: tuple[str, ...] = (), leader: str = "validator-1", generation: int = 7
) -> Committee:
    """Return a committee of validator-1 and so on, by default with the first one as leader."""
    names = [f"validator-{number}" for number in range(1, replicas + 1)]
    members = tuple(Member(name=name, healthy=name not in unhealthy, leader=name == leader) for name in names)
    return Committee(replicas=replicas, healthy_nodes=replicas - len(unhealthy), generation=generation, members=members)


DEFAULT_COMMITTEE = make_committee()


def make_root_cause(
    cause: str,
    component: str = "committee",
    confidence: float = 0.85,
    pairs: tuple[tuple[str, str], ...] | None = None,
    onset: float = 900.0,
) -> RootCause:
    """Return a root cause, by default on the whole committee, with one violation."""
    violated = ((("validator-1" if component == "committee" else component), "failure_rate"),)
    return RootCause(
        cause=Cause(cause),
        component=component,
        confidence=confidence,
        violated_pairs=violated if pairs is None else pairs,
        onset=onset,
    )


def make_diagnosis(
    roots: tuple[RootCause, ...], confidence: float = 0.9, blind: tuple[BlindSpot, ...] = ()
) -> Diagnosis:
    """Return a diagnosis with these causes and the violations that they explain."""
    violations = tuple(
        Violation(component=component, metric=metric, value=2.0, limit=1.0)
        for component, metric in sorted({pair for root in roots for pair in root.violated_pairs})
    )
    return Diagnosis(
        headline="trouble", at=1000.0, confidence=confidence, root_causes=roots, violations=violations, blind=blind
    )


def make_context(
    *roots: RootCause,
    committee: Committee | None = DEFAULT_COMMITTEE,
    topology: Topology = CALL_TOPOLOGY,
    mode: LoopMode = LoopMode.ACT,
    confidence: float = 0.9,
    blind: tuple[BlindSpot, ...] = (),
    **changes: Any,
) -> PlanContext:
    """Return the context of a decision about these root causes; `changes` are other fields of the context."""
    analysis = AnalysisInput(
        at=1000.0,
        step=15.0,
        grid=(1000.0,),
        components=(*SERVICES, *(member.name for member in (committee.members if committee else ()))),
        rules=(),
        committee=committee,
        topology=topology,
    )
    context = PlanContext(
        loop="charter",
        charter="charter",
        cycle_id="mapek-cycle:charter-1",
        at=1000.0,
        diagnosis=make_diagnosis(roots, confidence, blind),
        analysis=analysis,
        experience=Experience(),
        guards=GuardState(),
        mode=Mode(loop="charter", name=mode),
        settings=PlanSettings(),
        knowledge=KnowledgeSettings(),
        verification=Verification(targets=()),
        autonomy=Autonomy(start=Level.AUTO),
        snapshot="5" * 64,
    )
    return replace(context, **changes)
