"""Whoever has no business with a soak: posts that must have no effect, and the places where no secret may stand."""

import asyncio
from asyncio.subprocess import PIPE
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import httpx

from deploy.devstack.ports import LOOPBACK
from tests.soak.checker.evidence import Row
from tests.soak.harness.alertmanager import ABOUT
from tests.soak.harness.fleet import Fleet
from tests.support.alert_payloads import alert, body

EVERY = 1.0
"""Seconds between two posts, on average: some come while a worker dies or begins."""
WITHOUT, WRONG, CUT, SHAPELESS = "without a token", "with another token", "cut off", "of another form"
KINDS = (WITHOUT, WRONG, CUT, SHAPELESS)


@dataclass
class Strangers:
    """The strangers of one soak, by its seed. `posts` are {site, mark, kind, status}, with None for no answer."""

    fleet: Fleet
    seed: int
    posts: list[Row] = field(default_factory=list)

    async def knock(self) -> None:
        """Post one thing after the other to whichever worker there is, until cancelled."""
        dice = Random(f"{self.seed} strangers")
        token = secrets_of(self.fleet.stack.state.path)["webhook.token"]
        async with httpx.AsyncClient(trust_env=False, timeout=4.0) as http:
            while True:
                await asyncio.sleep(dice.uniform(0.0, 2 * EVERY))
                site, kind, mark = dice.choice(self.fleet.sites).name, dice.choice(KINDS), f"stranger-{len(self.posts)}"
                headers, content = request_of(kind, site, mark, token)
                status = await self.answer(http, headers, content)
                self.posts.append({"site": site, "mark": mark, "kind": kind, "status": status})

    async def answer(self, http: httpx.AsyncClient, headers: Mapping[str, str], content: bytes) -> int | None:
        """Return what the first worker that lives answers to a post, None if there is none or it says nothing."""
        if not self.fleet.alive:
            return None
        url = f"http://{LOOPBACK}:{self.fleet.workers[self.fleet.alive[0]].port}/webhooks/alerts"
        try:
            return (await http.post(url, headers=headers, content=content)).status_code
        except httpx.HTTPError:
            return None


def request_of(kind: str, site: str, mark: str, token: str) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a post about a component called `mark`, wrong as `kind` says and no more."""
    labels = {"alertname": site + ABOUT, "severity": "critical", "node_or_service": mark}
    about = alert(labels=labels, startsAt=datetime.now(UTC).isoformat(), fingerprint=mark)
    content = body(groupKey=mark, alerts=mark if kind == SHAPELESS else [about])
    shown = {WITHOUT: {}, WRONG: {"Authorization": f"Bearer {token[::-1]}"}}
    headers = shown.get(kind, {"Authorization": f"Bearer {token}"})
    return {"Content-Type": "application/json", **headers}, content[:-9] if kind == CUT else content


def secrets_of(state: Path) -> dict[str, str]:
    """Return the secrets of a stack by the names of their files."""
    return {file.name: file.read_text().strip() for file in sorted(state.glob("*.token"))}


async def leaks(folder: Path, files: Sequence[Path], texts: Mapping[str, str]) -> list[Row]:
    """Return {secret, place} for each secret of a stack's folder that stands in a file or a text."""
    found: list[Row] = []
    for secret, value in secrets_of(folder).items():
        places = [name for name, text in texts.items() if value in text] + await holding(folder / secret, files)
        found += [{"secret": secret, "place": place} for place in places]
    return found


async def holding(secret: Path, files: Sequence[Path]) -> list[str]:
    """Return the names of the files that hold what stands in another one. Raises: RuntimeError (one cannot be read).

    Another process has to look: one that closes a database loses SQLite's locks upon it, and the file with them.
    """
    options = ("--files-with-matches", "--text", "--fixed-strings", f"--file={secret}", "--")
    grep = await asyncio.create_subprocess_exec("grep", *options, *files, stdout=PIPE)
    printed, _ = await grep.communicate()
    if grep.returncode not in (0, 1):
        raise RuntimeError(f"grep ended with {grep.returncode}")
    return [Path(line).name for line in printed.decode().splitlines()]
