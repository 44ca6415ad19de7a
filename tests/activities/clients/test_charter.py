"""The client against the contract, on the real simulator and on replies made by hand."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from activities.clients.charter import CharterClient
from activities.clients.http import HttpClient
from activities.model.charter import ChangeRequest
from activities.model.errors import Ambiguous, ConfigurationError, NotFound, Rejected, Stale, Superseded, Unauthorized

ROOT = Path(__file__).parents[3]
THROTTLE_POLICY: dict[str, object] = {
    "name": "throttle-requests.gateway",
    "kind": "THROTTLE_REQUESTS",
    "component": "gateway",
    "parameters": {"rate_limit": 300},
}
POLICY_ENVELOPE: dict[str, object] = {
    "policy": THROTTLE_POLICY,
    "timestamp": "2026-01-21T10:15:00Z",
    "source": "mape_k_executor",
}
CHANGE_REPLY = {"knob": "committee", "generation": 4, "previous": {"replicas": 5}}


@pytest.fixture
async def simulator_address(tmp_path: Path) -> AsyncIterator[tuple[str, Path]]:
    """A simulator of its own: (URL, token file)."""
    token = tmp_path / "token"
    token.write_text("a-token\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.simulator", "--port", "0", "--token-file", str(token), "--control-api"),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    line = await asyncio.wait_for(process.stderr.readline(), 30.0)
    yield line.decode().split()[-1], token
    process.terminate()
    await process.communicate()


def make_change_request(path: str, body: dict[str, object] | None, key: str, generation: int) -> ChangeRequest:
    return ChangeRequest(path=path, body=body, key=key, plan_hash="f" * 64, generation=generation)


async def test_reading_the_simulator(simulator_address: tuple[str, Path], http_client: HttpClient) -> None:
    """Every read of the contract has the shape of our nouns."""
    url, token = simulator_address
    charter = CharterClient(http_client, url, token.read_text)
    await charter.check_health()
    committee = await charter.fetch_committee()
    assert committee.replicas == len(committee.members) > 0
    assert await charter.fetch_policies(name="throttle-requests.gateway", include_inactive=True) == ()
    assert isinstance(await charter.fetch_violations(0.0), tuple)
    await charter.validate(THROTTLE_POLICY)
    with pytest.raises(Rejected):
        await charter.validate({**THROTTLE_POLICY, "parameters": {"rate_limit": -1}})


async def test_changing_the_simulator(simulator_address: tuple[str, Path], http_client: HttpClient) -> None:
    """Apply, replay, a stale fence, rollback, and a rollback of an older change."""
    url, token = simulator_address
    charter = CharterClient(http_client, url, token.read_text)
    applied = await charter.change(make_change_request("policies/apply", POLICY_ENVELOPE, "p-0-do", 0))
    assert (applied.knob, applied.generation, applied.previous, applied.replayed) == (
        THROTTLE_POLICY["name"],
        1,
        None,
        False,
    )
    again = await charter.change(make_change_request("policies/apply", POLICY_ENVELOPE, "p-0-do", 0))
    assert again == applied.model_copy(update={"replayed": True})
    with pytest.raises(Stale) as stale:
        await charter.change(make_change_request("policies/apply", POLICY_ENVELOPE, "q-0-do", 0))
    assert stale.value.generation == 1
    (policy,) = await charter.fetch_policies(name=str(THROTTLE_POLICY["name"]))
    assert policy.last_change is not None
    assert (policy.id, policy.generation, policy.last_change.key) == (applied.policy_id, 1, "p-0-do")
    newer = await charter.change(make_change_request("policies/apply", POLICY_ENVELOPE, "r-0-do", 1))
    assert newer.previous == THROTTLE_POLICY
    with pytest.raises(Superseded):
        await charter.change(make_change_request(f"policies/{applied.policy_id}/rollback", None, "p-0-undo", 2))
    undone = await charter.change(make_change_request(f"policies/{newer.policy_id}/rollback", None, "r-0-undo", 2))
    assert (undone.generation, undone.changed) == (3, True)
    with pytest.raises(NotFound):
        await charter.change(make_change_request("policies/../../policy_99/rollback", None, "s-0-undo", 3))


async def test_scaling_and_restarting_the_simulator(
    simulator_address: tuple[str, Path], http_client: HttpClient
) -> None:
    """The committee's two routes carry their generation on from step to step."""
    url, token = simulator_address
    charter = CharterClient(http_client, url, token.read_text)
    before = await charter.fetch_committee()
    scaled = await charter.change(
        make_change_request("committee/scale", {"replicas": before.replicas + 1}, "p-0-do", before.generation)
    )
    assert scaled.previous == {"replicas": before.replicas}
    body: dict[str, object] = {"graceful": True, "timeout": 30, "member": before.members[0].name}
    restarted = await charter.change(make_change_request("committee/restart", body, "p-1-do", scaled.generation))
    assert restarted.generation == before.generation + 2
    after = await charter.fetch_committee()
    assert after.last_restart is not None
    assert (after.generation, after.last_restart.key) == (restarted.generation, "p-1-do")


async def test_a_rotated_credential_is_picked_up(simulator_address: tuple[str, Path], http_client: HttpClient) -> None:
    """The credential is read at each call: a wrong one is refused, the next right one works."""
    url, token = simulator_address
    charter = CharterClient(http_client, url, token.read_text)
    token.write_text("another")
    with pytest.raises(Unauthorized):
        await charter.fetch_committee()
    token.write_text("a-token")
    assert (await charter.fetch_committee()).replicas > 0


def make_client(reply: httpx.Response, requests: list[httpx.Request], token: str = "t") -> CharterClient:
    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return reply

    return CharterClient(HttpClient(httpx.MockTransport(handler)), "http://charter:8000", lambda: token)


async def test_the_request_of_a_change() -> None:
    """Key, hash and fence are headers, and equal bodies are equal bytes in any order."""
    requests: list[httpx.Request] = []
    charter = make_client(httpx.Response(200, json=CHANGE_REPLY), requests)
    await charter.change(make_change_request("committee/restart", {"graceful": True, "timeout": 30}, "p-0-do", 3))
    await charter.change(make_change_request("committee/restart", {"timeout": 30, "graceful": True}, "p-0-do", 3))
    first, second = requests
    assert first.content == second.content == b'{"graceful":true,"timeout":30}'
    assert {name: first.headers[name] for name in ("Authorization", "Idempotency-Key", "X-Plan-Hash", "If-Match")} == {
        "Authorization": "Bearer t",
        "Idempotency-Key": "p-0-do",
        "X-Plan-Hash": "f" * 64,
        "If-Match": '"3"',
    }


async def test_a_rollback_sends_no_body_and_stays_on_its_route() -> None:
    """A policy id from outside is one segment of the path."""
    requests: list[httpx.Request] = []
    charter = make_client(httpx.Response(200, json=CHANGE_REPLY), requests)
    await charter.change(make_change_request("policies/a?b#c/rollback", None, "p-0-undo", 3))
    assert (requests[0].url.raw_path, requests[0].content) == (b"/api/v1/policies/a%3Fb%23c/rollback", b"")


@pytest.mark.parametrize("body", [{}, {"policy_id": "policy_0"}, {**CHANGE_REPLY, "generation": "4"}, [], None])
async def test_a_response_without_knob_and_generation(body: object) -> None:
    """200 without knob and generation proves nothing: ambiguous."""
    with pytest.raises(Ambiguous):
        await make_client(httpx.Response(200, json=body), []).change(
            make_change_request("committee/scale", {"replicas": 6}, "p-0-do", 3)
        )


async def test_times_become_unix_seconds() -> None:
    """Charter's ISO times are unix seconds, an open violation has no end, and the window is sent in seconds."""
    requests: list[httpx.Request] = []
    found = {"id": "v1", "component": "gateway", "metric": "member_health", "opened_at": "2026-01-21T10:15:00.25Z"}
    charter = make_client(httpx.Response(200, json=[found, {**found, "closed_at": "2026-01-21T10:16:00Z"}]), requests)
    first, second = await charter.fetch_violations(1234.5)
    assert (first.opened_at, first.closed_at, second.closed_at) == (1768990500.25, None, 1768990560.0)
    assert dict(requests[0].url.params) == {"since": "1234.500"}


async def test_without_a_credential_none_is_sent() -> None:
    """An empty credential is no header at all."""
    requests: list[httpx.Request] = []
    await make_client(httpx.Response(200, json=[]), requests, token=" \n").fetch_policies()
    assert "Authorization" not in requests[0].headers


@pytest.mark.parametrize("token", ["canary\nX-Evil: 1", "canary 2", "canarÿ"])
async def test_a_credential_that_is_none(token: str) -> None:
    """A credential no header can carry is a configuration error that does not show it."""
    with pytest.raises(ConfigurationError) as caught:
        await make_client(httpx.Response(200, json=[]), [], token).fetch_policies()
    assert "canar" not in str(caught.value)
