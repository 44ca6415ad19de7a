"""Critical queries: PromQL of the form `expression OP number`."""

import math
import re
from typing import NamedTuple

from activities.model.errors import ConfigurationError
from activities.model.violation import Bad

_FORM = re.compile(
    r"(?s)\s*(?P<expr>.+?)\s*(?P<op>>=|<=|>|<)\s*(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*"
)
_NESTED = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|\"[^\"]*\"|'[^']*'")
_WEAKER = re.compile(r"[<>]|==|!=|\b(?:and|or|unless|bool)\b")


class Comparison(NamedTuple):
    """A parsed query: `expr` beyond `limit` on the side `bad` is a violation; exactly on `limit` is good."""

    expr: str
    bad: Bad
    limit: float


def parse_critical(name: str, query: str) -> Comparison:
    """Split the query called `name` into expression, side and limit.

    `>=` and `<=` count the number itself as bad, so their limit is the next float on its good side.

    Raises:
        ConfigurationError: the query does not compare one expression with one number.
    """
    found = _FORM.fullmatch(query)
    if found is None or _WEAKER.search(_outermost(found["expr"])):
        raise ConfigurationError(
            f"monitor.queries.{name}: {query!r} is not `expression OP number` with OP one of > >= < <=; "
            f"put an expression that itself compares or uses and, or, unless in parentheses: `(expression) > 1`"
        )
    bad, limit = (Bad.ABOVE if found["op"][0] == ">" else Bad.BELOW), float(found["number"])
    if not math.isfinite(limit):
        raise ConfigurationError(f"monitor.queries.{name}: the number {found['number']} is too large")
    if found["op"].endswith("="):
        limit = math.nextafter(limit, -math.inf if bad is Bad.ABOVE else math.inf)
    return Comparison(found["expr"], bad, limit)


def _outermost(expr: str) -> str:
    while (shorter := _NESTED.sub(" ", expr)) != expr:
        expr = shorter
    return expr
