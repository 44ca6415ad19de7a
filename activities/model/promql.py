"""The one function for text that goes into PromQL. Pure."""

_SIGNS = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def promql(value: str) -> str:
    """Return `value` for use between double quotes in PromQL, as in `{instance="..."}`.

    Lone surrogates, which are no text and cannot be sent, become question marks.
    """
    return value.translate(_SIGNS).encode("utf-8", "replace").decode("utf-8")
