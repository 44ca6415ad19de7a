"""Combinations about the receivers of notices that cannot be meant."""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from activities.notify.settings import NotifySettings, TargetSettings
from worker.config.constraints import Finding
from worker.config.document import Place
from worker.config.secrets import notify_variable

SCHEMES = {"webhook": ("http", "https"), "slack": ("http", "https"), "pagerduty": ("http", "https")}
MAIL = ("smtp", "smtps")


def notify_findings(notify: NotifySettings, loops: Sequence[str], environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is impossible about the targets; `loops` are the names of all loops."""
    seen: set[str] = set()
    for index, target in enumerate(notify.targets):
        place: Place = ("notify", "targets", index)
        if target.name in seen:
            yield (*place, "name"), f"{target.name} is the name of another target too; give each its own"
        seen.add(target.name)
        for loop in set(target.loops) - set(loops):
            yield (*place, "loops"), f"no loop is called {loop}; there are {', '.join(loops)}"
        yield from _address(target, place, environ)
        yield from _credentials(target, place, environ)


def _address(target: TargetSettings, place: Place, environ: Mapping[str, str]) -> Iterator[Finding]:
    variable = notify_variable(target.name, "address")
    if "@" in target.address or (target.address and target.kind == "apprise"):
        yield (*place, "address"), f"may hold a credential; use address_file or {variable}"
    elif not (target.address or target.address_file or environ.get(variable)):
        yield (*place, "address"), f"is missing; set it, address_file or {variable}"
    elif target.address:
        schemes = MAIL if target.kind == "email" else SCHEMES[target.kind]
        if urlsplit(target.address).scheme not in schemes or not urlsplit(target.address).hostname:
            yield (*place, "address"), f"must begin with {' or '.join(f'{s}://' for s in schemes)} and a host"


def _credentials(target: TargetSettings, place: Place, environ: Mapping[str, str]) -> Iterator[Finding]:
    variable = notify_variable(target.name, "token")
    token = bool(target.token_file or environ.get(variable))
    if target.kind == "pagerduty" and not token:
        yield (*place, "token_file"), f"is missing: PagerDuty wants a routing key; set it or {variable}"
    if target.kind == "email" and not (target.sender and target.to):
        yield (*place, "sender" if not target.sender else "to"), "is missing: an e-mail is from somebody to somebody"
    for key, addresses in (("sender", [target.sender]), ("to", target.to)):
        for address in filter(None, addresses):
            if target.kind == "email" and "@" not in address:
                yield (*place, key), f"{address} is no e-mail address, as in loop@example.org"
    if target.kind == "email" and bool(target.user) is not token:
        yield (*place, "user"), f"goes with the password in token_file or {variable}, and only with it"
