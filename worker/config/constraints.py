"""Refusal of settings that contradict each other. Each problem names a key, its value and the fix."""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from activities.model.errors import ConfigurationError
from activities.monitor.rules import build_rules
from activities.notify.settings import NotifySettings, TargetSettings
from activities.settings import LoopSettings
from worker.config.document import KeyPath
from worker.config.schema import AlertmanagerSettings, ApiSettings, OrchestratorSettings, TemporalSettings
from worker.config.secrets import notify_variable_name
from worker.webhook.routing import IGNORE

Problem = tuple[KeyPath, str]
"""A key path and the problem of its value."""

MIN_VERIFY_SAMPLES = 5
"""Minimum samples for a verdict on a real Charter. With fewer, one stray scrape is a large share of them."""
TARGET_SCHEMES = {
    "webhook": ("http", "https"),
    "slack": ("http", "https"),
    "pagerduty": ("http", "https"),
    "email": ("smtp", "smtps"),
}
"""The URL schemes of a notification target by its kind; Apprise has schemes of its own."""


def validate_loop(loop: LoopSettings, production: bool) -> Iterator[Problem]:
    """Yield the problems of one loop; key paths are relative to the loop."""
    monitor, verify = loop.monitor, loop.execute.verify
    yield from _validate_url(("monitor", "prometheus_url"), monitor.prometheus_url)
    yield from _validate_url(("execute", "charter_url"), loop.execute.charter_url)
    if production and loop.simulator:
        yield (
            ("simulator",),
            "the simulator is refused in orchestrator.mode production; set staging.use_mock_charter false",
        )
    try:
        build_rules(monitor)
    except ConfigurationError as error:
        key, _, text = str(error).partition(": ")
        yield tuple(key.split(".")[:2]), text
    if verify.samples < MIN_VERIFY_SAMPLES and not loop.simulator:
        yield (
            ("execute", "verify", "samples"),
            f"is {verify.samples}; use {MIN_VERIFY_SAMPLES} or more, fewer are for a simulator",
        )
    if verify.passes > verify.samples:
        yield ("execute", "verify", "passes"), f"is {verify.passes}; use at most verify.samples, {verify.samples}"
    minimum = 2 * monitor.scrape_interval
    if monitor.rate_window < minimum:
        yield (
            ("monitor", "rate_window"),
            f"is {monitor.rate_window:g} s; use at least two scrape intervals, {minimum:g} s",
        )


def validate_store(loops: tuple[LoopSettings, ...], production: bool) -> Iterator[Problem]:
    """Yield the problems of the store, which all loops share."""
    knowledge = loops[0].knowledge
    if knowledge.database == "memory" and (production or not all(loop.simulator for loop in loops)):
        yield (
            ("knowledge", "database"),
            "memory loses locks and undo data at a restart; use sqlite or postgres with a real Charter",
        )
    if knowledge.database == "postgres" and knowledge.postgres_url is None:
        yield ("knowledge", "database"), "postgres needs an address; set MAPEK_POSTGRES_URL in the environment"


def validate_fleet(loops: tuple[LoopSettings, ...]) -> Iterator[Problem]:
    """Yield the contradictions between loops: the name of a Charter is the lock on its knobs."""
    urls: dict[str, str] = {}
    charters: dict[str, str] = {}
    loop_names: set[str] = set()
    for index, loop in enumerate(loops):
        url = loop.execute.charter_url.rstrip("/")
        charter_path: KeyPath = ("loops", index, "charter")
        if loop.name in loop_names:
            yield ("loops", index, "name"), f"{loop.name} is the name of another loop; use a unique name"
        if urls.setdefault(loop.charter, url) != url:
            yield charter_path, f"{loop.charter} has another address in another loop; give each Charter its own name"
        if charters.setdefault(url, loop.charter) != loop.charter:
            yield charter_path, f"another loop calls this Charter {charters[url]}; use one name for one Charter"
        loop_names.add(loop.name)


def validate_service(
    orchestrator: OrchestratorSettings, api: ApiSettings, alertmanager: AlertmanagerSettings, temporal: TemporalSettings
) -> Iterator[Problem]:
    """Yield the problems of the process and of its servers."""
    yield from _validate_url(("alertmanager", "url"), alertmanager.url)
    yield from _validate_url(("temporal", "ui_url"), temporal.ui_url)
    host, colon, port = temporal.address.rpartition(":")
    if not (host and colon and port.isdigit()) or "/" in host:
        yield ("temporal", "address"), "must be host:port, as in 127.0.0.1:7233"
    if bool(temporal.deployment_name) != bool(temporal.build_id):
        missing_key = "build_id" if temporal.deployment_name else "deployment_name"
        yield ("temporal", missing_key), "is missing: worker versioning needs deployment_name and build_id; set both"
    if not is_loopback(api.host) and api.webhook_token_file is None and api.view_token_file is None:
        yield ("api", "host"), f'is "{api.host}", which is not loopback; use 127.0.0.1 or set api.webhook_token_file'
    if orchestrator.mode == "production" and api.debug:
        yield ("api", "debug"), "shows tracebacks to callers; set it false in orchestrator.mode production"


def is_loopback(host: str) -> bool:
    """Return whether a service that listens on `host` can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def validate_alerts(
    alertmanager: AlertmanagerSettings, api: ApiSettings, loop_names: Sequence[str]
) -> Iterator[Problem]:
    """Yield the problems of alert routes, tokens and certificates."""
    for index, route in enumerate(alertmanager.routes):
        route_path: KeyPath = ("alertmanager", "routes", index)
        if route.to != IGNORE and route.to not in loop_names:
            yield (*route_path, "to"), f"{_unknown_loop(route.to, loop_names)}, and {IGNORE}"
        if route.match == "regex" and (error := _regex_error(route.alert)):
            yield (*route_path, "alert"), f"is an invalid regular expression: {error}"
    if api.allow_anonymous_alerts and (not is_loopback(api.host) or api.webhook_token_file is not None):
        yield (
            ("api", "allow_anonymous_alerts"),
            "is for loopback without a token; set it false, or api.host to 127.0.0.1 without webhook_token_file",
        )
    if api.webhook_previous_token_file is not None and api.webhook_token_file is None:
        yield ("api", "webhook_previous_token_file"), "needs the new token too; set webhook_token_file"
    for key in ("tls_key_file", "tls_client_ca_file"):
        if getattr(api, key) is not None and api.tls_cert_file is None:
            yield ("api", key), "needs the certificate of the service; set tls_cert_file"


def validate_notify(notify: NotifySettings, loop_names: Sequence[str], environ: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the problems of the notification targets."""
    target_names: set[str] = set()
    for index, target in enumerate(notify.targets):
        target_path: KeyPath = ("notify", "targets", index)
        if target.name in target_names:
            yield (*target_path, "name"), f"{target.name} is the name of another target; use a unique name"
        target_names.add(target.name)
        for loop in set(target.loops) - set(loop_names):
            yield (*target_path, "loops"), _unknown_loop(loop, loop_names)
        yield from _validate_address(target, target_path, environ)
        yield from _validate_credentials(target, target_path, environ)


def _unknown_loop(name: str, loop_names: Sequence[str]) -> str:
    return f"no loop is called {name}; there are {', '.join(loop_names)}"


def _validate_url(key_path: KeyPath, url: str) -> Iterator[Problem]:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid, parts = False, urlsplit("")
    if "@" in url:
        yield key_path, "contains a credential; give secrets by the environment or a file"
    elif not valid or parts.query or parts.fragment or any(c.isspace() for c in url):
        yield key_path, "must be http://host:port or https://host:port"


def _regex_error(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        return str(error)
    return ""


def _validate_address(target: TargetSettings, key_path: KeyPath, environ: Mapping[str, str]) -> Iterator[Problem]:
    variable = notify_variable_name(target.name, "address")
    if "@" in target.address or (target.address and target.kind == "apprise"):
        yield (*key_path, "address"), f"may contain a credential; use address_file or {variable}"
    elif not (target.address or target.address_file or environ.get(variable)):
        yield (*key_path, "address"), f"is missing; set it, address_file or {variable}"
    elif target.address:
        schemes = TARGET_SCHEMES[target.kind]
        if urlsplit(target.address).scheme not in schemes or not urlsplit(target.address).hostname:
            yield (*key_path, "address"), f"must start with {' or '.join(f'{s}://' for s in schemes)} and a host"


def _validate_credentials(target: TargetSettings, key_path: KeyPath, environ: Mapping[str, str]) -> Iterator[Problem]:
    variable = notify_variable_name(target.name, "token")
    has_token = bool(target.token_file or environ.get(variable))
    if target.kind == "pagerduty" and not has_token:
        yield (*key_path, "token_file"), f"is missing: PagerDuty needs a routing key; set it or {variable}"
    if target.kind != "email":
        return
    if not (target.sender and target.to):
        yield (*key_path, "sender" if not target.sender else "to"), "is missing: an e-mail needs sender and to"
    for key, addresses in (("sender", [target.sender]), ("to", target.to)):
        for address in filter(None, addresses):
            if "@" not in address:
                yield (*key_path, key), f"{address} is an invalid e-mail address; write it as loop@example.org"
    if bool(target.user) is not has_token:
        yield (*key_path, "user"), f"needs a password in token_file or {variable}; set both or neither"
