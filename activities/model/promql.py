"""The one function for text that goes into PromQL. Pure."""

_SIGNS = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def promql(value: str) -> str:
    """Return `value` for use between double quotes in PromQL, as in `{instance="..."}`.

    Lone surrogates, which are no text and cannot be sent, become question marks.
    """
    return "".join(_SIGNS.get(sign, sign) for sign in value).encode("utf-8", "replace").decode("utf-8")
