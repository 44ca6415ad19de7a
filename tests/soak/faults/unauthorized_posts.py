"""Unauthorized posts, which must have no effect, and the search for leaked secrets."""

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
from tests.soak.harness.alertmanager import ALERT_NAME_SUFFIX
from tests.soak.harness.fleet import Fleet
from tests.support.alert_payloads import make_alert, make_body

MEAN_INTERVAL_SECONDS = 1.0
"""Seconds between two posts, on average: some are sent while a worker dies or starts."""
NO_TOKEN, WRONG_TOKEN, TRUNCATED, INVALID_BODY = "without a token", "with another token", "cut off", "of another form"
POST_KINDS = (NO_TOKEN, WRONG_TOKEN, TRUNCATED, INVALID_BODY)


@dataclass
class UnauthorizedSender:
    """Sends the unauthorized posts of one soak, by its seed. `posts` are {site, mark, kind, status}.

    `status` is None without an answer.
    """

    fleet: Fleet
    seed: int
    posts: list[Row] = field(default_factory=list)

    async def send_posts(self) -> None:
        """Send one post after the other to a running worker, until cancelled."""
        dice = Random(f"{self.seed} strangers")
        token = load_secrets(self.fleet.stack.state.path)["webhook.token"]
        async with httpx.AsyncClient(trust_env=False, timeout=4.0) as http:
            while True:
                await asyncio.sleep(dice.uniform(0.0, 2 * MEAN_INTERVAL_SECONDS))
                site, kind, mark = (
                    dice.choice(self.fleet.sites).name,
                    dice.choice(POST_KINDS),
                    f"stranger-{len(self.posts)}",
                )
                headers, content = build_request(kind, site, mark, token)
                status = await self.post(http, headers, content)
                self.posts.append({"site": site, "mark": mark, "kind": kind, "status": status})

    async def post(self, http: httpx.AsyncClient, headers: Mapping[str, str], content: bytes) -> int | None:
        """Return the status of the first running worker's answer, None without a worker or an answer."""
        if not self.fleet.live_workers:
            return None
        url = f"http://{LOOPBACK}:{self.fleet.workers[self.fleet.live_workers[0]].port}/webhooks/alerts"
        try:
            return (await http.post(url, headers=headers, content=content)).status_code
        except httpx.HTTPError:
            return None


def build_request(kind: str, site: str, component: str, token: str) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a post about a component, invalid only in the way of `kind`."""
    labels = {"alertname": site + ALERT_NAME_SUFFIX, "severity": "critical", "node_or_service": component}
    alert = make_alert(labels=labels, startsAt=datetime.now(UTC).isoformat(), fingerprint=component)
    content = make_body(groupKey=component, alerts=component if kind == INVALID_BODY else [alert])
    invalid_tokens: dict[str, dict[str, str]] = {NO_TOKEN: {}, WRONG_TOKEN: {"Authorization": f"Bearer {token[::-1]}"}}
    headers = invalid_tokens.get(kind, {"Authorization": f"Bearer {token}"})
    return {"Content-Type": "application/json", **headers}, content[:-9] if kind == TRUNCATED else content


def load_secrets(state: Path) -> dict[str, str]:
    """Return the secrets of a stack by the names of their files."""
    return {file.name: file.read_text().strip() for file in sorted(state.glob("*.token"))}


async def find_leaks(folder: Path, files: Sequence[Path], texts: Mapping[str, str]) -> list[Row]:
    """Return {secret, place} for each secret of a stack's folder that a file or a text contains."""
    leaks: list[Row] = []
    for secret, value in load_secrets(folder).items():
        places = [name for name, text in texts.items() if value in text] + await find_files_containing(
            folder / secret, files
        )
        leaks += [{"secret": secret, "place": place} for place in places]
    return leaks


async def find_files_containing(secret: Path, files: Sequence[Path]) -> list[str]:
    """Return the names of the files that contain a secret. Raises: RuntimeError (a file cannot be read).

    Another process searches: a process that closes a database file loses its SQLite locks on it.
    """
    options = ("--files-with-matches", "--text", "--fixed-strings", f"--file={secret}", "--")
    grep = await asyncio.create_subprocess_exec("grep", *options, *files, stdout=PIPE)
    printed, _ = await grep.communicate()
    if grep.returncode not in (0, 1):
        raise RuntimeError(f"grep ended with {grep.returncode}")
    return [Path(line).name for line in printed.decode().splitlines()]
