"""Idempotency keys without HTTP."""

from deploy.simulator.idempotency import MAX_STORED_KEYS, IdempotencyStore, Reply, compute_fingerprint


def test_only_the_oldest_answered_key_is_forgotten() -> None:
    """Beyond the bound the oldest answered key is free again; one in flight and the newer ones are kept."""
    keys = IdempotencyStore()
    keys.begin("in-flight", "same")
    for number in range(MAX_STORED_KEYS + 1):
        keys.begin(str(number), "same")
        keys.store_reply(str(number), Reply(200, {"number": number}, {}))
    newer = keys.begin("1", "same")
    assert newer is not None
    assert newer.body == {"number": 1}
    assert keys.begin("0", "same") is None
    keys.release("in-flight")
    assert keys.begin("in-flight", "same") is None


def test_fingerprint_sees_route_and_content_but_not_order_or_time() -> None:
    """Route and every field but the time make a request; the order of the fields does not."""
    usual = compute_fingerprint("/a", {"x": 1, "y": 2})
    assert usual == compute_fingerprint("/a", {"y": 2, "x": 1, "timestamp": "later"})
    assert len({usual, compute_fingerprint("/b", {"x": 1, "y": 2}), compute_fingerprint("/a", {"x": 1, "y": 3})}) == 3
