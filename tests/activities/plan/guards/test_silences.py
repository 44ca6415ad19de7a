"""A silence limits what is applied, never what is diagnosed."""

import pytest

from activities.plan.choose import choose
from tests.activities.plan.builders import make_context, make_root_cause


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
def test_silenced_is_observed_only(silenced: tuple[str, ...], outcome: str) -> None:
    """If the component of the cause, or an affected one, is silenced, the same plan is in `shadow` with the reason."""
    pairs = (("gateway", "failure_rate"), ("policy-engine", "failure_rate"))
    cause = make_root_cause("cascade", "gateway", pairs=pairs)
    free, decision = choose(make_context(cause)), choose(make_context(cause, silenced=silenced))
    assert (decision.outcome, len(decision.plans) + len(decision.shadow)) == (outcome, 1)
    assert (decision.plans or decision.shadow)[0].plan_id == free.plans[0].plan_id
    if outcome == "observed":
        assert [(block.rule, "silenced at Alertmanager" in block.reason) for block in decision.blocks] == [
            ("silenced", True)
        ]


def test_a_silence_leaves_other_causes_alone() -> None:
    """Only the plan against the silenced component is held back."""
    other = make_root_cause("overload", "committee", pairs=(("validator-1", "failure_rate"),))
    decision = choose(make_context(make_root_cause("cascade", "gateway"), other, silenced=("gateway",)))
    assert [plan.component for plan in decision.plans] == ["committee"]
