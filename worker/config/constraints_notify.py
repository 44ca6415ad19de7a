"""Combinations about the receivers of notices that cannot be meant."""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from activities.notify.settings import NotifySettings, TargetSettings
from worker.config.constraints import Problem
from worker.config.document import KeyPath
from worker.config.secrets import notify_variable_name

TARGET_SCHEMES = {"webhook": ("http", "https"), "slack": ("http", "https"), "pagerduty": ("http", "https")}
MAIL_SCHEMES = ("smtp", "smtps")


def validate_notify(notify: NotifySettings, loops: Sequence[str], environ: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what is impossible about the targets; `loops` are the names of all loops."""
    seen: set[str] = set()
    for index, target in enumerate(notify.targets):
        place: KeyPath = ("notify", "targets", index)
        if target.name in seen:
            yield (*place, "name"), f"{target.name} is the name of another target too; give each its own"
        seen.add(target.name)
        for loop in set(target.loops) - set(loops):
            yield (*place, "loops"), f"no loop is called {loop}; there are {', '.join(loops)}"
        yield from _validate_address(target, place, environ)
        yield from _validate_credentials(target, place, environ)


def _validate_address(target: TargetSettings, key_path: KeyPath, environ: Mapping[str, str]) -> Iterator[Problem]:
    variable = notify_variable_name(target.name, "address")
    if "@" in target.address or (target.address and target.kind == "apprise"):
        yield (*key_path, "address"), f"may hold a credential; use address_file or {variable}"
    elif not (target.address or target.address_file or environ.get(variable)):
        yield (*key_path, "address"), f"is missing; set it, address_file or {variable}"
    elif target.address:
        schemes = MAIL_SCHEMES if target.kind == "email" else TARGET_SCHEMES[target.kind]
        if urlsplit(target.address).scheme not in schemes or not urlsplit(target.address).hostname:
            yield (*key_path, "address"), f"must begin with {' or '.join(f'{s}://' for s in schemes)} and a host"


def _validate_credentials(target: TargetSettings, key_path: KeyPath, environ: Mapping[str, str]) -> Iterator[Problem]:
    variable = notify_variable_name(target.name, "token")
    token = bool(target.token_file or environ.get(variable))
    if target.kind == "pagerduty" and not token:
        yield (*key_path, "token_file"), f"is missing: PagerDuty wants a routing key; set it or {variable}"
    if target.kind == "email" and not (target.sender and target.to):
        yield (*key_path, "sender" if not target.sender else "to"), "is missing: an e-mail is from somebody to somebody"
    for key, addresses in (("sender", [target.sender]), ("to", target.to)):
        for address in filter(None, addresses):
            if target.kind == "email" and "@" not in address:
                yield (*key_path, key), f"{address} is no e-mail address, as in loop@example.org"
    if target.kind == "email" and bool(target.user) is not token:
        yield (*key_path, "user"), f"goes with the password in token_file or {variable}, and only with it"
