"""Drawn situations: root causes, used rungs, experience and confidence."""

from dataclasses import dataclass

from hypothesis import strategies as st

from activities.model.action import ActionType
from activities.model.diagnosis import Cause
from activities.model.experience import ActionStats, Experience
from activities.model.guard_state import GuardState
from activities.model.incident import Incident, Rung
from activities.plan.context import PlanContext
from tests.activities.plan.builders import make_committee, make_context, make_root_cause

COMPONENTS = ("gateway", "policy-engine", "audit-log", "validator-1", "validator-2", "committee")
OUTCOMES = ("", "fixed", "no_effect", "worse", "rejected", "stale")


@dataclass(frozen=True)
class Situation:
    """What one decision is drawn from.

    `causes` are (cause, component, confidence). `used_rungs` are (index of the cause, rung, outcome). `experience`
    is (action, count, mean effectiveness).
    """

    causes: tuple[tuple[Cause, str, float], ...]
    used_rungs: tuple[tuple[int, int, str], ...] = ()
    experience: tuple[tuple[ActionType, int, float], ...] = ()
    confidence: float = 1.0
    unhealthy: tuple[str, ...] = ()

    def to_context(self) -> PlanContext:
        """Return the context of the decision."""
        rungs = tuple(
            Rung(
                rung=rung, plan_id=f"p{index}", cause=self.causes[index][0], component=self.causes[index][1], outcome=o
            )
            for index, rung, o in self.used_rungs
        )
        incident = Incident(incident_id="1", charter="charter", knob="other", onset=1.0, opened_at=1.0, rungs=rungs)
        counts = {action: (count, count * mean) for action, count, mean in self.experience}
        stats = tuple(
            ActionStats(action=action, cause=cause, count=count, total=total)
            for action, (count, total) in counts.items()
            for cause in {cause for cause, _, _ in self.causes}
        )
        return make_context(
            *(make_root_cause(cause, component, confidence) for cause, component, confidence in self.causes),
            committee=make_committee(5, self.unhealthy),
            confidence=self.confidence,
            experience=Experience(action_stats=stats),
            guards=GuardState(incidents=(incident,)),
        )


@st.composite
def draw_situations(draw: st.DrawFn) -> Situation:
    """Draw a situation with one to four causes."""
    fractions = st.floats(0, 1)
    causes = draw(
        st.lists(
            st.tuples(st.sampled_from(list(Cause)), st.sampled_from(COMPONENTS), fractions),
            min_size=1,
            max_size=4,
            unique_by=lambda cause: cause[:2],
        ).map(tuple)
    )
    indexes = st.integers(0, len(causes) - 1)
    rungs = st.lists(st.tuples(indexes, st.integers(0, 2), st.sampled_from(OUTCOMES))).map(tuple)
    stats = st.lists(st.tuples(st.sampled_from(list(ActionType)), st.integers(0, 40), fractions)).map(tuple)
    return Situation(
        causes=causes,
        used_rungs=draw(rungs),
        experience=draw(stats),
        confidence=draw(fractions),
        unhealthy=draw(st.sampled_from([(), ("validator-2",)])),
    )


STORMY_SITUATION = Situation(
    causes=tuple((Cause.OVERLOAD, name, 1.0) for name in ("gateway", "audit-log", "validator-1", "validator-2"))
)
"""Three of eight components in trouble are not connected to the leading one by calls: a storm starts."""
