"""The strangers are wrong in one way each, and what was told to nobody is found wherever it stands."""

import pytest

from tests.soak.faults.unauthorized_posts import (
    INVALID_BODY,
    NO_TOKEN,
    TRUNCATED,
    WRONG_TOKEN,
    build_request,
    find_leaks,
)
from worker.webhook.payload import InvalidPayload, parse_payload

TOKEN = "right-token"


@pytest.mark.parametrize("kind", [NO_TOKEN, WRONG_TOKEN])
def test_only_the_token_is_wrong(kind) -> None:
    """The same post with the right token would be heard, and its mark is the component it is about."""
    headers, content = build_request(kind, "c1", "stranger-1", TOKEN)
    assert TOKEN not in headers.get("Authorization", "")
    (alert,) = parse_payload(content).alerts
    assert (alert.firing, alert.component) == (True, "stranger-1")


@pytest.mark.parametrize("kind", [TRUNCATED, INVALID_BODY])
def test_only_the_body_is_wrong(kind) -> None:
    """It is let in, and cannot be read."""
    headers, content = build_request(kind, "c1", "stranger-1", TOKEN)
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    with pytest.raises(InvalidPayload):
        parse_payload(content)


async def test_a_secret_is_found_wherever_it_stands(tmp_path) -> None:
    """In the middle of a file, in a text; not in what is empty or keeps it."""
    (tmp_path / "webhook.token").write_text(f"{TOKEN}\n")
    files = [tmp_path / name for name in ("worker.log", "quiet.log", "empty.log")]
    for file, content in zip(files, (b"\0told right-token aloud\0", b"nothing\n", b""), strict=True):
        file.write_bytes(content)
    found = await find_leaks(tmp_path, files, {"the metrics": f"x {TOKEN}", "a history": "none"})
    assert [row["place"] for row in found] == ["the metrics", "worker.log"]


async def test_what_cannot_be_searched_is_no_good_news(tmp_path) -> None:
    """A file that is not there is an error, not a file without the secret."""
    (tmp_path / "webhook.token").write_text(f"{TOKEN}\n")
    with pytest.raises(RuntimeError, match="grep ended with 2"):
        await find_leaks(tmp_path, [tmp_path / "gone.log"], {})
