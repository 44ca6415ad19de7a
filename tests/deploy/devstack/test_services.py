"""What the parts are started with."""

import pytest

from deploy.devstack.services import parse_failure_rate


@pytest.mark.parametrize(("setting", "share"), [(None, 0.0), (False, 0.0), (True, 0.05), (0.2, 0.2), (1, 1.0)])
def test_simulated_failures_are_a_share_of_calls(setting: object, share: float):
    """`staging.simulate_failures` is a switch or a share."""
    assert parse_failure_rate(setting) == share
