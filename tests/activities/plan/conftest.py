"""Material for decisions. Factories are session-wide, so that hypothesis may draw many cases with one of them."""

import pytest

from activities.knowledge.settings import KnowledgeSettings
from activities.model.autonomy import Autonomy, Level
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

CALL_EDGES = (("gateway", "policy-engine"), ("policy-engine", "audit-log"), ("policy-engine", "committee"))


def _make_committee(replicas=5, unhealthy=(), leader="validator-1", generation=7):
    members = tuple(
        Member(name=name, healthy=name not in unhealthy, leader=name == leader)
        for name in (f"validator-{i}" for i in range(1, replicas + 1))
    )
    return Committee(replicas=replicas, healthy_nodes=replicas - len(unhealthy), generation=generation, members=members)


def _make_root_cause(cause, component="committee", confidence=0.85, pairs=None, onset=900.0):
    where = "validator-1" if component == "committee" else component
    found = pairs if pairs is not None else ((where, "failure_rate"),)
    return RootCause(cause=Cause(cause), component=component, confidence=confidence, violated_pairs=found, onset=onset)


def _make_diagnosis(roots, confidence, blind):
    violations = tuple(
        Violation(component=c, metric=m, value=2.0, limit=1.0)
        for c, m in sorted({pair for root in roots for pair in root.violated_pairs})
    )
    return Diagnosis(
        headline="trouble", at=1000.0, confidence=confidence, root_causes=roots, violations=violations, blind=blind
    )


def _make_context(*roots, **changes):
    committee = changes.pop("committee", _make_committee())
    components = ("gateway", "policy-engine", "audit-log", *(m.name for m in (committee.members if committee else ())))
    analysis = AnalysisInput(
        at=1000.0,
        step=15.0,
        grid=(1000.0,),
        components=components,
        rules=(),
        committee=committee,
        policies=changes.pop("policies", ()),
        topology=changes.pop("topology", Topology(edges=CALL_EDGES)),
    )
    mode = Mode(loop="charter", name=changes.pop("mode", LoopMode.ACT))
    diagnosis = _make_diagnosis(roots, changes.pop("confidence", 0.9), changes.pop("blind", ()))
    usual = {
        "settings": PlanSettings(),
        "knowledge": KnowledgeSettings(),
        "experience": Experience(),
        "guards": GuardState(),
        "verification": Verification(targets=()),
        "autonomy": Autonomy(start=Level.AUTO),
        "at": 1000.0,
    }
    return PlanContext(
        loop="charter",
        charter="charter",
        cycle_id="mapek-cycle:charter-1",
        diagnosis=diagnosis,
        analysis=analysis,
        mode=mode,
        snapshot="5" * 64,
        **(usual | changes),
    )


@pytest.fixture(scope="session")
def make_committee():
    """Return a committee of `replicas`, the first one leading."""
    return _make_committee


@pytest.fixture(scope="session")
def make_root_cause():
    """Return a root cause, by default on the whole committee."""
    return _make_root_cause


@pytest.fixture(scope="session")
def make_context():
    """Return a decision's context for these root causes."""
    return _make_context
