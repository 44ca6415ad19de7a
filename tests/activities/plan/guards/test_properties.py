"""Adding a guard never adds an action, whatever the guard and whatever it looks at."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from activities.model.action import ActionType
from activities.model.history import RemediationRecord
from activities.model.storm import Storm
from activities.plan.choose import choose
from activities.plan.guards.settings import OscillationSettings, RateSettings, StormSettings, Window
from tests.activities.plan.test_choose import draw_situations, make_situation_context

KNOBS = (
    "committee",
    "admission",
    "throttle-requests.gateway",
    "rebalance-load.gateway",
    "rebalance-load.policy-engine",
)
OUTCOMES = ("", "fixed", "rolled_back", "failed", "worse", "no_effect")


@st.composite
def draw_remediations(draw):
    """Draw remediations of the last day."""
    drawn = draw(
        st.lists(
            st.tuples(st.sampled_from(KNOBS), st.sampled_from(OUTCOMES), st.floats(0, 90_000), st.integers(-1, 1)),
            max_size=12,
        )
    )
    return tuple(
        RemediationRecord(
            plan_id=f"past{n}",
            loop="charter",
            knob=knob,
            cause="validation_latency",
            component="committee",
            knob_direction=sense,
            affected_components=("committee",) if knob == "committee" else ("*",),
            started_at=1000.0 - ago,
            ended_at=None if not ending else 1060.0 - ago,
            outcome=ending,
            rolled_back=ending == "rolled_back",
            generation=n,
        )
        for n, (knob, ending, ago, sense) in enumerate(drawn)
    )


TIGHTER_SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "rates": st.builds(
            RateSettings,
            knob_per_hour=st.integers(0, 3),
            knob_per_day=st.integers(0, 10),
            loop_per_hour=st.integers(0, 10),
            max_concurrent_fraction=st.floats(0, 0.1),
            reversal_delay=st.floats(900, 9000),
            risky_delay=st.floats(300, 9000),
        ),
        "oscillation": st.builds(
            OscillationSettings,
            reversals=st.integers(1, 2),
            failures=st.integers(1, 3),
            relapses=st.integers(1, 3),
            freeze_seconds=st.floats(3600, 86_400),
            external_change_hold=st.floats(3600, 86_400),
        ),
        "storm": st.builds(
            StormSettings, unexplained=st.floats(0, 0.2), min_components=st.integers(1, 3), affected_fraction=st.floats(0, 0.6)
        ),
        "windows": st.lists(
            st.builds(
                Window,
                name=st.just("w"),
                cron=st.sampled_from(("0 0 * * *", "*/5 * * * *")),
                duration_seconds=st.floats(1, 7200),
                mode=st.booleans(),
                actions=st.lists(st.sampled_from(list(ActionType)), max_size=2).map(tuple),
            ),
            max_size=2,
        ).map(tuple),
    },
)


@given(drawn=draw_situations(), more=draw_remediations(), tighter=TIGHTER_SETTINGS, stormy=st.booleans())
def test_adding_a_guard_never_adds_an_action(
    drawn, more, tighter, stormy, make_root_cause, make_context, make_committee
):
    """More in the past, tighter settings, a window or a storm: every plan left was a plan before, and none is new."""
    free = make_situation_context(drawn, make_root_cause, make_context, make_committee)
    before = choose(free)
    storms = (Storm(loop="charter", since=900.0, reason="75% in trouble"),) if stormy else ()
    guarded = replace(
        free,
        guards=free.guards.model_copy(update={"recent_remediations": more, "storms": storms}),
        settings=free.settings.model_copy(update=tighter),
    )
    after = choose(guarded)
    assert {plan.plan_id for plan in after.plans} <= {plan.plan_id for plan in before.plans}
    assert not (stormy and after.plans)
    lost = {plan.knob for plan in before.plans} - {plan.knob for plan in after.plans}
    assert lost <= {block.knob for block in after.blocks if block.reason}, "what is held back says by which rule"
