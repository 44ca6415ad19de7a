"""Each unauthorized post is invalid in one way, and a leaked secret is found."""

from pathlib import Path

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
def test_only_the_token_is_invalid(kind: str) -> None:
    """The same post with the valid token would be accepted, and its mark is the component."""
    headers, content = build_request(kind, "c1", "stranger-1", TOKEN)
    assert TOKEN not in headers.get("Authorization", "")
    (alert,) = parse_payload(content).alerts
    assert (alert.firing, alert.component) == (True, "stranger-1")


@pytest.mark.parametrize("kind", [TRUNCATED, INVALID_BODY])
def test_only_the_body_is_invalid(kind: str) -> None:
    """The token is valid, and the body cannot be parsed."""
    headers, content = build_request(kind, "c1", "stranger-1", TOKEN)
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    with pytest.raises(InvalidPayload):
        parse_payload(content)


async def test_a_secret_is_found_in_files_and_texts(tmp_path: Path) -> None:
    """A secret is found in the middle of a file and in a text, and not in other files."""
    (tmp_path / "webhook.token").write_text(f"{TOKEN}\n")
    files = [tmp_path / name for name in ("worker.log", "quiet.log", "empty.log")]
    for file, content in zip(files, (b"\0sent right-token along\0", b"nothing\n", b""), strict=True):
        file.write_bytes(content)
    leaks = await find_leaks(tmp_path, files, {"the metrics": f"x {TOKEN}", "a history": "none"})
    assert [row["place"] for row in leaks] == ["the metrics", "worker.log"]


async def test_a_file_that_cannot_be_searched_is_an_error(tmp_path: Path) -> None:
    """A missing file is an error, not a file without the secret."""
    (tmp_path / "webhook.token").write_text(f"{TOKEN}\n")
    with pytest.raises(RuntimeError, match="grep ended with 2"):
        await find_leaks(tmp_path, [tmp_path / "gone.log"], {})
