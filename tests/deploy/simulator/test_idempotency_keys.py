"""Idempotency keys without HTTP."""

from deploy.simulator.idempotency import MAX_STORED_KEYS, IdempotencyStore, Reply, compute_fingerprint


def test_only_the_oldest_answered_key_is_deleted() -> None:
    """Above the limit the oldest answered key is deleted; keys in flight and newer keys stay."""
    store = IdempotencyStore()
    store.begin("in-flight", "same")
    for number in range(MAX_STORED_KEYS + 1):
        store.begin(str(number), "same")
        store.store_reply(str(number), Reply(200, {"number": number}, {}))
    reply = store.begin("1", "same")
    assert reply is not None
    assert reply.body == {"number": 1}
    assert store.begin("0", "same") is None
    store.release("in-flight")
    assert store.begin("in-flight", "same") is None


def test_fingerprint_ignores_field_order_and_timestamp() -> None:
    """Route and every field except the timestamp identify a request."""
    fingerprint = compute_fingerprint("/a", {"x": 1, "y": 2})
    assert fingerprint == compute_fingerprint("/a", {"y": 2, "x": 1, "timestamp": "later"})
    assert (
        len({fingerprint, compute_fingerprint("/b", {"x": 1, "y": 2}), compute_fingerprint("/a", {"x": 1, "y": 3})})
        == 3
    )
