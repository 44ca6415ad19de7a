"""The loop's own changes that are applied at Charter."""

import pytest

from activities.model.charter import Change, Committee, Policy
from activities.monitor.own_changes import own_applied_steps, parse_own_key


@pytest.mark.parametrize(
    ("key", "step"),
    [
        ("4efe27cacde8-0-do", ("4efe27cacde8", 0)),
        ("4efe27cacde8-12-do", ("4efe27cacde8", 12)),
        ("4efe27cacde8-0-undo", None),
        ("4efe27cacde8", None),
        ("4efe27cacde8-x-do", None),
        ("", None),
        (None, None),
    ],
)
def test_own_key_has_plan_and_step(key: str | None, step: tuple[str, int] | None) -> None:
    """Only a key of the own form with the direction do is parsed; other keys may have any form."""
    assert parse_own_key(Change(key=key)) == step


def test_every_knob_has_a_last_change() -> None:
    """Scale, restart and each policy have a separate last change."""
    committee = Committee(
        replicas=5, healthy_nodes=5, last_change=Change(key="a-0-do"), last_restart=Change(key="b-1-do")
    )
    policies = (Policy(id="policy_1", name="admission", last_change=Change(key="c-0-do")), Policy(id="2", name="x"))
    assert own_applied_steps(committee, policies) == {("a", 0), ("b", 1), ("c", 0)}
