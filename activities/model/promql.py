"""The one function for text that goes into PromQL. Pure."""

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def escape_promql(value: str) -> str:
    """Return `value` for use between double quotes in PromQL, as in `{instance="..."}`.

    Lone surrogates, which are no text and cannot be sent, become question marks.
    """
    return value.translate(_ESCAPES).encode("utf-8", "replace").decode("utf-8")
