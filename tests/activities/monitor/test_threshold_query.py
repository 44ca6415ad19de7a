"""Critical queries of the configuration."""

import math

import pytest

from activities.model.errors import ConfigurationError
from activities.model.violation import BreachSide
from activities.monitor.threshold_query import parse_threshold_query


@pytest.mark.parametrize(
    ("query", "expr", "breach", "limit"),
    [
        ("westworld_charter_failure_rate > 0.10", "westworld_charter_failure_rate", BreachSide.ABOVE, 0.1),
        ("x<100", "x", BreachSide.BELOW, 100.0),
        ("  x  >  -1.5e3 \n", "x", BreachSide.ABOVE, -1500.0),
        ("x >= 5", "x", BreachSide.ABOVE, math.nextafter(5.0, -math.inf)),
        ("x <= .5", "x", BreachSide.BELOW, math.nextafter(0.5, math.inf)),
        ('sum by (a) (x{b=">1"}) / 2 > 1', 'sum by (a) (x{b=">1"}) / 2', BreachSide.ABOVE, 1.0),
        ("(a > 1 and b) > 2", "(a > 1 and b)", BreachSide.ABOVE, 2.0),
        ("rate(x[5m] offset 1m) > 1", "rate(x[5m] offset 1m)", BreachSide.ABOVE, 1.0),
    ],
)
def test_query_has_expression_side_and_limit(query: str, expr: str, breach: BreachSide, limit: float) -> None:
    """For an operator with = the number itself is a violation."""
    assert parse_threshold_query("mine", query) == (expr, breach, limit)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "x",
        "x > y",
        "x > 1 and y > 2",
        "a or b > 1",
        "a unless b > 1",
        "x == 1",
        "x != 1",
        "1 < x",
        "x > bool 1",
        "> 1",
        "x > 1e999",
        "a > 1 > 2",
    ],
)
def test_other_query_is_refused(query: str) -> None:
    """An operator that binds weaker than the comparison must be in parentheses."""
    with pytest.raises(ConfigurationError, match=r"monitor\.queries\.mine"):
        parse_threshold_query("mine", query)
