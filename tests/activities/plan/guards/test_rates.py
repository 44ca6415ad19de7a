"""Budgets, concurrency, reversals and the error budget: just inside, just outside, and without state."""

from typing import Any

import pytest

from activities.model.history import RemediationRecord
from activities.model.timeseries import Sample
from activities.plan.guards.base import Actions
from activities.plan.guards.rates import (
    budget_guard,
    concurrency_guard,
    error_budget_requires_approval,
    lowest_value,
    reversal_guard,
)
from activities.plan.guards.settings import ErrorBudgetSettings, RateSettings
from activities.plan.settings import PlanSettings
from tests.activities.plan.guards.guard_inputs import (
    CONFIGURE_ACTIONS,
    NOW,
    POLICY_ACTIONS,
    REVERT_ACTIONS,
    SCALE_DOWN_ACTIONS,
    SCALE_UP_ACTIONS,
    make_guard_input,
    make_remediation_record,
)

OTHER_KNOB: dict[str, Any] = {"knob": "throttle-requests.gateway", "affected_components": ("gateway",)}


@pytest.mark.parametrize(
    ("remediations", "refused"),
    [
        ((), ""),
        ((make_remediation_record(10), make_remediation_record(20)), ""),
        (
            (make_remediation_record(10), make_remediation_record(20), make_remediation_record(3599)),
            "3 remediations of committee in the last hour, at most 3; one more in 1 s",
        ),
        ((make_remediation_record(10), make_remediation_record(20), make_remediation_record(3600)), ""),
        (tuple(make_remediation_record(4000 + 60 * n) for n in range(9)), ""),
        (
            tuple(make_remediation_record(4000 + 60 * n) for n in range(10)),
            "10 remediations of committee in the last day, at most 10",
        ),
        ((*(make_remediation_record(4000 + 60 * n) for n in range(9)), make_remediation_record(86400)), ""),
        (tuple(make_remediation_record(10 + n, **OTHER_KNOB) for n in range(9)), ""),
        (
            tuple(make_remediation_record(10 + n, **OTHER_KNOB) for n in range(10)),
            "10 remediations of loop charter in the last hour",
        ),
        (tuple(make_remediation_record(10 + n, loop="other", **OTHER_KNOB) for n in range(10)), ""),
        (
            (make_remediation_record(10), make_remediation_record(20), make_remediation_record(30, loop="other")),
            "3 remediations of committee",
        ),
        (
            (make_remediation_record(10), make_remediation_record(20), make_remediation_record(-5)),
            "3 remediations of committee",
        ),
    ],
)
def test_budget(remediations: tuple[RemediationRecord, ...], refused: str) -> None:
    """Three an hour and ten a day of a knob, ten an hour of a loop; a start in the future counts too."""
    reason = budget_guard(SCALE_UP_ACTIONS, make_guard_input(*remediations))
    assert bool(reason) == bool(refused)
    assert refused in reason


def test_a_plans_own_start_does_not_count() -> None:
    """Between its steps a plan is not counted against itself."""
    remediations = [make_remediation_record(seconds_ago) for seconds_ago in (10, 20, 30)]
    assert budget_guard(SCALE_UP_ACTIONS, make_guard_input(*remediations))
    assert not budget_guard(SCALE_UP_ACTIONS, make_guard_input(*remediations, plan_id="p30"))


def test_a_budget_of_zero_allows_nothing() -> None:
    """Zero is a budget too; its reason holds no time."""
    settings = PlanSettings(rates=RateSettings(knob_per_hour=0))
    reason = budget_guard(SCALE_UP_ACTIONS, make_guard_input(settings=settings))
    assert reason == "0 remediations of committee in the last hour, at most 0"


RUNNING_REMEDIATION = make_remediation_record(100, "", **OTHER_KNOB)


@pytest.mark.parametrize(
    ("remediations", "actions", "components", "refused"),
    [
        ((), SCALE_UP_ACTIONS, 8, ""),
        ((), POLICY_ACTIONS, 8, ""),
        ((make_remediation_record(100, **OTHER_KNOB),), SCALE_UP_ACTIONS, 8, ""),
        (
            (RUNNING_REMEDIATION,),
            SCALE_UP_ACTIONS,
            8,
            "2 of 8 components together, at most 1: throttle-requests.gateway runs",
        ),
        ((RUNNING_REMEDIATION,), SCALE_UP_ACTIONS, 19, "2 of 19"),
        ((RUNNING_REMEDIATION,), SCALE_UP_ACTIONS, 20, ""),
        ((RUNNING_REMEDIATION,), CONFIGURE_ACTIONS, 8, ""),
        ((RUNNING_REMEDIATION,), POLICY_ACTIONS, 20, "20 of 20 components together, at most 2"),
        ((make_remediation_record(3599, "", **OTHER_KNOB),), SCALE_UP_ACTIONS, 8, "2 of 8"),
        ((make_remediation_record(3600, "", **OTHER_KNOB),), SCALE_UP_ACTIONS, 8, ""),
        ((RUNNING_REMEDIATION,), SCALE_UP_ACTIONS, 0, "2 of 1"),
    ],
)
def test_concurrency(
    remediations: tuple[RemediationRecord, ...], actions: Actions, components: int, refused: str
) -> None:
    """A tenth of the components together, but always one; a remediation without an end counts for an hour."""
    reason = concurrency_guard(actions, make_guard_input(*remediations, component_count=components))
    assert bool(reason) == bool(refused)
    assert refused in reason


CONFIGURED_KNOB: dict[str, Any] = {"knob": "update-configuration.gateway", "affected_components": ("gateway",)}


@pytest.mark.parametrize(
    ("remediations", "actions", "refused"),
    [
        ((), SCALE_DOWN_ACTIONS, ""),
        (
            (make_remediation_record(899),),
            SCALE_DOWN_ACTIONS,
            "moved 899 s ago, moving it back waits 900 s: another 1 s",
        ),
        ((make_remediation_record(900),), SCALE_DOWN_ACTIONS, ""),
        (
            (make_remediation_record(299, knob_direction=-1),),
            SCALE_DOWN_ACTIONS,
            "a riskier change waits 300 s: another 1 s",
        ),
        ((make_remediation_record(300, knob_direction=-1),), SCALE_DOWN_ACTIONS, ""),
        ((make_remediation_record(10, knob_direction=-1),), SCALE_UP_ACTIONS, ""),
        ((make_remediation_record(899, **CONFIGURED_KNOB),), REVERT_ACTIONS, "moving it back waits 900 s"),
        ((make_remediation_record(899, **CONFIGURED_KNOB),), CONFIGURE_ACTIONS, ""),
        (
            (make_remediation_record(950, "worse", **CONFIGURED_KNOB),),
            CONFIGURE_ACTIONS,
            "moved 890 s ago, moving it back",
        ),
        ((make_remediation_record(960, "worse", **CONFIGURED_KNOB),), CONFIGURE_ACTIONS, ""),
        ((make_remediation_record(10, "failed", applied=False),), SCALE_DOWN_ACTIONS, ""),
        ((make_remediation_record(10, knob_direction=0),), SCALE_DOWN_ACTIONS, ""),
    ],
)
def test_reversal(remediations: tuple[RemediationRecord, ...], actions: Actions, refused: str) -> None:
    """A reversal and a riskier change must wait; a safer change, or one after no move, does not."""
    reason = reversal_guard(actions, make_guard_input(*remediations))
    assert bool(reason) == bool(refused)
    assert refused in reason


@pytest.mark.parametrize(
    ("actions", "remaining", "required"),
    [
        (CONFIGURE_ACTIONS, None, False),
        (CONFIGURE_ACTIONS, 0.10, False),
        (CONFIGURE_ACTIONS, 0.0999, True),
        (CONFIGURE_ACTIONS, 0.0, True),
        (SCALE_UP_ACTIONS, 0.0, False),
        (POLICY_ACTIONS, 0.0, False),
        (SCALE_DOWN_ACTIONS, 0.05, True),
    ],
)
def test_a_low_error_budget_requires_approval(actions: Actions, remaining: float | None, required: bool) -> None:
    """With less than a tenth left only safer changes need no approval; without a query nothing changes."""
    assert error_budget_requires_approval(actions, remaining, ErrorBudgetSettings()) == required


@pytest.mark.parametrize(
    ("values", "lowest"),
    [((), 0.0), ((0.5,), 0.5), ((0.5, 0.2), 0.2), ((0.5, float("nan")), 0.0), ((float("inf"),), 0.0)],
)
def test_an_unknown_error_budget_is_spent(values: tuple[float, ...], lowest: float) -> None:
    """Of several series the lowest counts; no series, a NaN or an infinity count as 0."""
    assert lowest_value(Sample(labels={}, value=value, at=NOW) for value in values) == lowest
