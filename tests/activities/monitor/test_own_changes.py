"""Which changes at Charter are ours and still stand."""

import pytest

from activities.model.charter import Change, Committee, Policy
from activities.monitor.own_changes import own_applied_steps, parse_own_key


@pytest.mark.parametrize(
    ("key", "found"),
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
def test_a_key_tells_plan_and_step(key: str | None, found: tuple[str, int] | None):
    """Only keys of our own form in the direction do are ours; anybody else's may look like anything."""
    assert parse_own_key(Change(key=key)) == found


def test_every_knob_is_looked_at():
    """Scale, restart and each policy have a last change of their own."""
    committee = Committee(
        replicas=5, healthy_nodes=5, last_change=Change(key="a-0-do"), last_restart=Change(key="b-1-do")
    )
    policies = (Policy(id="policy_1", name="admission", last_change=Change(key="c-0-do")), Policy(id="2", name="x"))
    assert own_applied_steps(committee, policies) == {("a", 0), ("b", 1), ("c", 0)}
