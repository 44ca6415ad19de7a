"""A silence narrows what is done, and never what is thought."""

import pytest

from activities.plan.choose import choose


@pytest.mark.parametrize(
    ("silenced", "outcome"),
    [
        ((), "planned"),
        (("audit-log",), "planned"),
        (("gateway",), "observed"),
        (("policy-engine",), "observed"),
        (("*",), "observed"),
    ],
)
def test_silenced_is_observed_only(make_root_cause, make_context, silenced, outcome):
    """If the cause, or what suffers from it, is silenced, the same plan is in `shadow` with the reason."""
    pairs = (("gateway", "failure_rate"), ("policy-engine", "failure_rate"))
    cause = make_root_cause("cascade", "gateway", pairs=pairs)
    free, found = choose(make_context(cause)), choose(make_context(cause, silenced=silenced))
    assert (found.outcome, len(found.plans) + len(found.shadow)) == (outcome, 1)
    assert (found.plans or found.shadow)[0].plan_id == free.plans[0].plan_id
    if outcome == "observed":
        assert [(block.rule, "silenced at Alertmanager" in block.reason) for block in found.blocks] == [
            ("silenced", True)
        ]


def test_other_causes_go_on(make_root_cause, make_context):
    """Only what is silenced is left alone."""
    other = make_root_cause("overload", "committee", pairs=(("validator-1", "failure_rate"),))
    found = choose(make_context(make_root_cause("cascade", "gateway"), other, silenced=("gateway",)))
    assert [plan.component for plan in found.plans] == ["committee"]
