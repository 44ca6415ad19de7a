"""A short run of the fuzzer; `make fuzz` runs ten minutes."""

from tests.worker.webhook.fuzz import fuzz


async def test_fuzzed_bodies_are_answered() -> None:
    """Valid, altered and random bodies are all answered, and none with a 5xx status."""
    answers = await fuzz(seed=20260131, examples=400, seconds=30)
    assert sum(answers.values()) >= 200
    assert {200, 400, 401} <= set(answers) <= {200, 400, 401, 413}
