"""A further guard never adds an action."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from activities.model.action import ActionType
from activities.model.history import RemediationRecord
from activities.model.storm import Storm
from activities.plan.choose import choose
from activities.plan.guards.settings import OscillationSettings, RateSettings, StormSettings, Window
from tests.activities.plan.situations import Situation, draw_situations

KNOBS = (
    "committee",
    "admission",
    "throttle-requests.gateway",
    "rebalance-load.gateway",
    "rebalance-load.policy-engine",
)
OUTCOMES = ("", "fixed", "rolled_back", "failed", "worse", "no_effect")


@st.composite
def draw_remediations(draw: st.DrawFn) -> tuple[RemediationRecord, ...]:
    """Draw remediations of the last day."""
    rows = draw(
        st.lists(
            st.tuples(st.sampled_from(KNOBS), st.sampled_from(OUTCOMES), st.floats(0, 90_000), st.integers(-1, 1)),
            max_size=12,
        )
    )
    return tuple(
        RemediationRecord(
            plan_id=f"past{number}",
            loop="charter",
            knob=knob,
            cause="validation_latency",
            component="committee",
            knob_direction=direction,
            affected_components=("committee",) if knob == "committee" else ("*",),
            started_at=1000.0 - seconds_ago,
            ended_at=1060.0 - seconds_ago if outcome else None,
            outcome=outcome,
            rolled_back=outcome == "rolled_back",
            generation=number,
        )
        for number, (knob, outcome, seconds_ago, direction) in enumerate(rows)
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
            StormSettings,
            unexplained_fraction=st.floats(0, 0.2),
            min_components=st.integers(1, 3),
            affected_fraction=st.floats(0, 0.6),
        ),
        "windows": st.lists(
            st.builds(
                Window,
                name=st.just("w"),
                cron=st.sampled_from(("0 0 * * *", "*/5 * * * *")),
                duration_seconds=st.floats(1, 7200),
                mode=st.sampled_from(("allow", "block")),
                actions=st.lists(st.sampled_from(list(ActionType)), max_size=2).map(tuple),
            ),
            max_size=2,
        ).map(tuple),
    },
)


@given(
    situation=draw_situations(),
    remediations=draw_remediations(),
    tighter_settings=TIGHTER_SETTINGS,
    has_storm=st.booleans(),
)
def test_a_further_guard_never_adds_an_action(
    situation: Situation,
    remediations: tuple[RemediationRecord, ...],
    tighter_settings: dict[str, Any],
    has_storm: bool,
) -> None:
    """With more remediations, tighter settings, a window or a storm, every plan left was a plan before."""
    free = situation.to_context()
    before = choose(free)
    storms = (Storm(loop="charter", since=900.0, reason="75% in trouble"),) if has_storm else ()
    guarded = replace(
        free,
        guards=free.guards.model_copy(update={"recent_remediations": remediations, "storms": storms}),
        settings=free.settings.model_copy(update=tighter_settings),
    )
    after = choose(guarded)
    assert {plan.plan_id for plan in after.plans} <= {plan.plan_id for plan in before.plans}
    assert not (has_storm and after.plans)
    lost = {plan.knob for plan in before.plans} - {plan.knob for plan in after.plans}
    assert lost <= {block.knob for block in after.blocks if block.reason}, "each lost plan has a block with a reason"
