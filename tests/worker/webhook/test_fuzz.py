"""Some hundred bodies of the fuzzer; `make fuzz` sends them for ten minutes."""

from tests.worker.webhook.fuzz import fuzz


async def test_a_few_hundred() -> None:
    """Good, mangled and hopeless bodies are each answered, none of them by a 5xx."""
    answers = await fuzz(seed=20260131, examples=400, seconds=30)
    assert sum(answers.values()) >= 200
    assert {200, 400, 401} <= set(answers) <= {200, 400, 401, 413}
