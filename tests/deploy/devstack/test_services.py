"""The settings of the services."""

import pytest

from deploy.devstack.services import parse_failure_rate


@pytest.mark.parametrize(("setting", "fraction"), [(None, 0.0), (False, 0.0), (True, 0.05), (0.2, 0.2), (1, 1.0)])
def test_simulated_failures_are_a_fraction_of_calls(setting: object, fraction: float) -> None:
    """`staging.simulate_failures` is a switch or a fraction."""
    assert parse_failure_rate(setting) == fraction
