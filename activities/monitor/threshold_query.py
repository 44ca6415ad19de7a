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
    """A parsed query: `expr` beyond `limit` on the side `breach` is a violation; `limit` itself is good."""

    expr: str
    breach: BreachSide
    limit: float


def parse_threshold_query(name: str, query: str) -> Comparison:
    """Split the query `name` into expression, side and limit.

    For `>=` and `<=` the number itself is a violation, so the limit is the next float on its good side.

    Raises:
        ConfigurationError: the query does not compare one expression with one number.
    """
    match = _COMPARISON_PATTERN.fullmatch(query)
    if match is None or _LOW_PRECEDENCE_PATTERN.search(_strip_nested(match["expr"])):
        raise ConfigurationError(
            f"monitor.queries.{name}: {query!r} is not `expression OP number` with OP one of > >= < <=; "
            f"put an expression with a comparison, and, or, unless in parentheses: `(expression) > 1`"
        )
    breach, limit = (BreachSide.ABOVE if match["op"][0] == ">" else BreachSide.BELOW), float(match["number"])
    if not math.isfinite(limit):
        raise ConfigurationError(
            f"monitor.queries.{name}: the number {match['number']} is not finite; use a smaller one"
        )
    if match["op"].endswith("="):
        limit = math.nextafter(limit, -math.inf if breach is BreachSide.ABOVE else math.inf)
    return Comparison(match["expr"], breach, limit)


def _strip_nested(expr: str) -> str:
    while (shorter := _NESTED_PATTERN.sub(" ", expr)) != expr:
        expr = shorter
    return expr
