"""Freezes and foreign writers: just inside, just outside, and without state."""

import pytest

from activities.model.charter import Change, Committee, Policy
from activities.model.guard_state import KnobGuard
from activities.model.history import RemediationRecord
from activities.plan.guards.oscillation import foreign_writer_guard, freeze_guard
from activities.plan.guards.settings import OscillationSettings
from activities.plan.settings import PlanSettings
from tests.activities.plan.builders import make_committee
from tests.activities.plan.guards.guard_inputs import (
    NOW,
    OTHER_ROOT,
    POLICY_ACTIONS,
    SCALE_UP_ACTIONS,
    make_guard_input,
    make_remediation_record,
)


@pytest.mark.parametrize(
    ("remediations", "refused"),
    [
        ((), ""),
        ((make_remediation_record(1800, "rolled_back"), make_remediation_record(900, "fixed")), ""),
        (
            (make_remediation_record(1500, "rolled_back"), make_remediation_record(900, "rolled_back")),
            "3 reversals in 1800 s, at most 2",
        ),
        ((make_remediation_record(2701, "rolled_back"), make_remediation_record(900, "rolled_back")), ""),
        ((make_remediation_record(2659, "rolled_back"), make_remediation_record(900, "rolled_back")), "3 reversals"),
        ((make_remediation_record(5040, "rolled_back"), make_remediation_record(4440, "rolled_back")), ""),
        (
            (make_remediation_record(4259, "rolled_back"), make_remediation_record(3659, "rolled_back")),
            "frozen for another 1 s: 3 reversals",
        ),
        ((make_remediation_record(4260, "rolled_back"), make_remediation_record(3660, "rolled_back")), ""),
    ],
)
def test_frozen_by_reversals(remediations: tuple[RemediationRecord, ...], refused: str) -> None:
    """A third reversal within half an hour freezes the knob for an hour from then on."""
    reason = freeze_guard(SCALE_UP_ACTIONS, make_guard_input(*remediations, root=OTHER_ROOT))
    assert bool(reason) == bool(refused)
    assert refused in reason


@pytest.mark.parametrize(
    ("outcomes", "refused"),
    [
        (("failed", "failed"), ""),
        (("failed", "rolled_back", "worse"), "3 remediations failed in a row (failed, rolled_back, worse)"),
        (("failed", "failed", "no_effect"), ""),
        (("failed", "stopped", "failed", "failed"), "3 remediations failed in a row"),
        (("failed", "fixed", "failed", "failed"), ""),
        (("failed", "failed", "failed", "improved"), ""),
        (("failed", "failed", ""), ""),
    ],
)
def test_frozen_by_failures(outcomes: tuple[str, ...], refused: str) -> None:
    """Three failed or rolled-back remediations in a row freeze; a success ends the row, no effect does not."""
    remediations = [
        make_remediation_record(20000 - 4000 * n, outcome, knob_direction=0) for n, outcome in enumerate(outcomes)
    ]
    settings = PlanSettings(oscillation=OscillationSettings(freeze_seconds=20000))
    reason = freeze_guard(SCALE_UP_ACTIONS, make_guard_input(*remediations, settings=settings))
    assert bool(reason) == bool(refused)
    assert refused in reason


@pytest.mark.parametrize(
    ("remediations", "refused"),
    [
        ((make_remediation_record(2000), make_remediation_record(1000)), ""),
        (
            (make_remediation_record(3000), make_remediation_record(2000), make_remediation_record(1000)),
            "validation_latency on committee came back after 3 remedies in 14400 s",
        ),
        (
            (make_remediation_record(3000), make_remediation_record(2000), make_remediation_record(1000, "improved")),
            "came back",
        ),
        (
            (
                make_remediation_record(3000),
                make_remediation_record(2000),
                make_remediation_record(1000, component="gateway"),
            ),
            "",
        ),
        ((make_remediation_record(16000), make_remediation_record(2000), make_remediation_record(1000)), ""),
        ((make_remediation_record(15399), make_remediation_record(2000), make_remediation_record(1000)), "came back"),
        ((make_remediation_record(15400), make_remediation_record(2000), make_remediation_record(1000)), ""),
        (
            (make_remediation_record(9000), make_remediation_record(8000), make_remediation_record(3659)),
            "frozen for another 1 s",
        ),
        ((make_remediation_record(9000), make_remediation_record(8000), make_remediation_record(3660)), ""),
    ],
)
def test_frozen_by_relapses(remediations: tuple[RemediationRecord, ...], refused: str) -> None:
    """Three successes against the same trouble that did not last freeze the knob for an hour."""
    reason = freeze_guard(SCALE_UP_ACTIONS, make_guard_input(*remediations))
    assert bool(reason) == bool(refused)
    assert refused in reason


def test_an_operator_may_release_a_frozen_knob() -> None:
    """Remediations before the release freeze no more, later ones count again."""
    remediations = [make_remediation_record(seconds_ago) for seconds_ago in (3000, 2000, 1000)]
    for released_at, is_frozen in ((NOW - 3001, True), (NOW - 2500, False), (NOW, False)):
        knobs = (KnobGuard(knob="committee", released_at=released_at),)
        assert bool(freeze_guard(SCALE_UP_ACTIONS, make_guard_input(*remediations, knobs=knobs))) == is_frozen


def make_committee_at(generation: int, key: str | None = None, restart_key: str | None = None) -> Committee:
    """Return the committee at a generation, last changed under `key`, or restarted under `restart_key`."""
    change = Change(key=key, generation=generation if restart_key is None else generation - 1)
    restart = None if restart_key is None else Change(key=restart_key, generation=generation)
    changes = {"last_change": change, "last_restart": restart}
    return make_committee(generation=generation).model_copy(update=changes)


@pytest.mark.parametrize(
    ("remediations", "generation", "key", "refused"),
    [
        ((), 9, None, ""),
        ((make_remediation_record(1000, generation=8),), 8, None, ""),
        (
            (make_remediation_record(1000, generation=8),),
            9,
            None,
            "generation 8 → 9 by another writer since plan p1000",
        ),
        ((make_remediation_record(1000, generation=8),), 9, "deploy-17", "by deploy-17"),
        ((make_remediation_record(1000, generation=8),), 9, "p1000-1-do", ""),
        ((make_remediation_record(1000),), 9, None, ""),
        ((make_remediation_record(1000, "", generation=8),), 9, None, ""),
        ((make_remediation_record(3659, generation=8),), 9, None, "left alone for another 1 s"),
        ((make_remediation_record(3660, generation=8),), 9, None, ""),
    ],
)
def test_foreign_writer(
    remediations: tuple[RemediationRecord, ...], generation: int, key: str | None, refused: str
) -> None:
    """A knob that another writer moved since the last remediation is left alone; own late changes are not foreign."""
    reason = foreign_writer_guard(
        SCALE_UP_ACTIONS, make_guard_input(*remediations, committee=make_committee_at(generation, key))
    )
    assert bool(reason) == bool(refused)
    assert refused in reason


def test_a_foreign_writer_of_a_policy_is_found_by_name() -> None:
    """The newest policy of the knob's name counts, not another policy."""
    record = make_remediation_record(1000, knob="admission", generation=2)
    policies = (
        Policy(id="1", name="admission", generation=3, last_change=Change(generation=3)),
        Policy(id="2", name="other", generation=9, last_change=Change(generation=9)),
    )
    guard_input = make_guard_input(record, committee=make_committee(), policies=policies)
    assert "generation 2 → 3 by another writer" in foreign_writer_guard(POLICY_ACTIONS, guard_input)


def test_a_restart_under_an_own_key_is_not_foreign() -> None:
    """The loop's own restart moves the generation too. Without the committee nothing is foreign."""
    record = make_remediation_record(1000, generation=8)
    restarted = make_committee_at(9, "x", "p1000-1-do")
    assert not foreign_writer_guard(SCALE_UP_ACTIONS, make_guard_input(record, committee=restarted))
    assert not foreign_writer_guard(SCALE_UP_ACTIONS, make_guard_input(record))
