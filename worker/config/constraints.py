"""Combinations that cannot be meant: each is refused with what would be right."""

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from activities.model.errors import ConfigurationError
from activities.monitor.rules import build_rules
from activities.settings import LoopSettings
from worker.config.document import KeyPath
from worker.config.schema import AlertmanagerSettings, ApiSettings, OrchestratorSettings, TemporalSettings

Problem = tuple[KeyPath, str]
"""A place and what is wrong there."""
MIN_VERIFY_SAMPLES = 5
"""Fewest samples a verdict on a Charter that matters rests on: of fewer, one stray scrape would be a large share."""


def validate_loop(loop: LoopSettings, production: bool) -> Iterator[Problem]:
    """Yield what is impossible in one loop; places are relative to the loop."""
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
        where, _, text = str(error).partition(": ")
        yield tuple(where.split(".")[:2]), text
    if verify.samples < MIN_VERIFY_SAMPLES and not loop.simulator:
        yield (
            ("execute", "verify", "samples"),
            f"is {verify.samples}; use {MIN_VERIFY_SAMPLES} or more, fewer are for a simulator",
        )
    if verify.passes > verify.samples:
        yield ("execute", "verify", "passes"), f"is {verify.passes} of only {verify.samples} samples; lower it to them"
    if monitor.rate_window < 2 * monitor.scrape_interval:
        least = 2 * monitor.scrape_interval
        yield (
            ("monitor", "rate_window"),
            f"is {monitor.rate_window:g} s; a rate needs two scrapes, at least {least:g} s",
        )


def validate_store(loops: tuple[LoopSettings, ...], production: bool) -> Iterator[Problem]:
    """Yield what is impossible about the one store all loops share."""
    knowledge = loops[0].knowledge
    if knowledge.database == "memory" and (production or not all(loop.simulator for loop in loops)):
        yield (
            ("knowledge", "database"),
            "memory forgets locks and undo at a restart; use sqlite or postgres with a real Charter",
        )
    if knowledge.database == "postgres" and knowledge.postgres_url is None:
        yield ("knowledge", "database"), "postgres needs its address; set MAPEK_POSTGRES_URL in the environment"


def validate_fleet(loops: tuple[LoopSettings, ...]) -> Iterator[Problem]:
    """Yield where two loops contradict each other: a Charter's name is the lock on its knobs."""
    urls: dict[str, str] = {}
    names: dict[str, str] = {}
    seen: set[str] = set()
    for index, loop in enumerate(loops):
        url = loop.execute.charter_url.rstrip("/")
        if loop.name in seen:
            yield ("loops", index, "name"), f"{loop.name} is the name of another loop too; give each its own"
        if urls.setdefault(loop.charter, url) != url:
            yield (
                ("loops", index, "charter"),
                f"{loop.charter} stands for two addresses; give each Charter its own name",
            )
        if names.setdefault(url, loop.charter) != loop.charter:
            yield (
                ("loops", index, "charter"),
                f"this Charter is called {names[url]} by another loop; one Charter, one name",
            )
        seen.add(loop.name)


def validate_service(
    orchestrator: OrchestratorSettings, api: ApiSettings, alertmanager: AlertmanagerSettings, temporal: TemporalSettings
) -> Iterator[Problem]:
    """Yield what is impossible about the process and its servers."""
    yield from _validate_url(("alertmanager", "url"), alertmanager.url)
    yield from _validate_url(("temporal", "ui_url"), temporal.ui_url)
    host, colon, port = temporal.address.rpartition(":")
    if not (host and colon and port.isdigit()) or "/" in host:
        yield ("temporal", "address"), "must be host:port, as in 127.0.0.1:7233"
    if bool(temporal.deployment_name) != bool(temporal.build_id):
        lacking = "build_id" if temporal.deployment_name else "deployment_name"
        yield ("temporal", lacking), "a version has both, deployment_name and build_id; set it, or neither of them"
    if not is_loopback(api.host) and api.webhook_token_file is None and api.view_token_file is None:
        yield ("api", "host"), f"{api.host} is not loopback; use 127.0.0.1 or set api.webhook_token_file"
    if orchestrator.mode == "production" and api.debug:
        yield ("api", "debug"), "shows tracebacks to callers; set it false in orchestrator.mode production"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach a service that listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _validate_url(key_path: KeyPath, url: str) -> Iterator[Problem]:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid, parts = False, urlsplit("")
    if "@" in url:
        yield key_path, "holds a credential; secrets come by the environment or a file"
    elif not valid or parts.query or parts.fragment or any(c.isspace() for c in url):
        yield key_path, "must be http://host:port or https://host:port"
