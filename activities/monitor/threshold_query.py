"""Critical queries: PromQL of the form `expression OP number`."""

import math
import re
from typing import NamedTuple

from activities.model.errors import ConfigurationError
from activities.model.violation import BreachSide

_COMPARISON_PATTERN = re.compile(
    r"(?s)\s*(?P<expr>.+?)\s*(?P<op>>=|<=|>|<)\s*(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*"
)
_NESTED_PATTERN = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|\"[^\"]*\"|'[^']*'")
_LOW_PRECEDENCE_PATTERN = re.compile(r"[<>]|==|!=|\b(?:and|or|unless|bool)\b")


class Comparison(NamedTuple):
    """A parsed query: `expr` beyond `limit` on the side `bad` is a violation; exactly on `limit` is good."""

    expr: str
    breach: BreachSide
    limit: float


def parse_threshold_query(name: str, query: str) -> Comparison:
    """Split the query called `name` into expression, side and limit.

    `>=` and `<=` count the number itself as bad, so their limit is the next float on its good side.

    Raises:
        ConfigurationError: the query does not compare one expression with one number.
    """
    found = _COMPARISON_PATTERN.fullmatch(query)
    if found is None or _LOW_PRECEDENCE_PATTERN.search(_strip_nested(found["expr"])):
        raise ConfigurationError(
            f"monitor.queries.{name}: {query!r} is not `expression OP number` with OP one of > >= < <=; "
            f"put an expression that itself compares or uses and, or, unless in parentheses: `(expression) > 1`"
        )
    bad, limit = (BreachSide.ABOVE if found["op"][0] == ">" else BreachSide.BELOW), float(found["number"])
    if not math.isfinite(limit):
        raise ConfigurationError(f"monitor.queries.{name}: the number {found['number']} is too large")
    if found["op"].endswith("="):
        limit = math.nextafter(limit, -math.inf if bad is BreachSide.ABOVE else math.inf)
    return Comparison(found["expr"], bad, limit)


def _strip_nested(expr: str) -> str:
    while (shorter := _NESTED_PATTERN.sub(" ", expr)) != expr:
        expr = shorter
    return expr
