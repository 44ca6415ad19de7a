"""Combinations about alerts and their door that cannot be meant."""

import re
from collections.abc import Iterator, Sequence

from worker.config.constraints import Problem, is_loopback
from worker.config.schema import AlertmanagerSettings, ApiSettings
from worker.webhook.routing import IGNORE


def validate_alerts(alertmanager: AlertmanagerSettings, api: ApiSettings, loops: Sequence[str]) -> Iterator[Problem]:
    """Yield what is impossible about routes, tokens and certificates; `loops` are the names of all loops."""
    for index, route in enumerate(alertmanager.routes):
        place = ("alertmanager", "routes", index)
        if route.to != IGNORE and route.to not in loops:
            yield (*place, "to"), f"no loop is called {route.to}; there are {', '.join(loops)}, and {IGNORE}"
        if route.match == "regex" and (problem := _regex_error(route.alert)):
            yield (*place, "alert"), f"is no regular expression: {problem}"
    if api.allow_anonymous_alerts and (not is_loopback(api.host) or api.webhook_token_file is not None):
        yield ("api", "allow_anonymous_alerts"), "is for loopback without a token; set it false or take both away"
    if api.webhook_previous_token_file is not None and api.webhook_token_file is None:
        yield ("api", "webhook_previous_token_file"), "goes with the new token; set webhook_token_file"
    for key in ("tls_key_file", "tls_client_ca_file"):
        if getattr(api, key) is not None and api.tls_cert_file is None:
            yield ("api", key), "needs a certificate of the service itself; set tls_cert_file"


def _regex_error(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        return str(error)
    return ""
