"""The evidence for autonomy, and the shadow decisions that are not scored yet."""

from activities.clients.store.store import Store
from activities.model.autonomy import EvidenceKind, ShadowDecision
from tests.activities.upkeep.test_checks import SHADOW_DECISION
from tests.support.model_builders import make_outcome_transaction


def make_later_decision(seconds: float, **changes: object) -> ShadowDecision:
    """Return the same trouble decided again, by another plan."""
    at = SHADOW_DECISION.at + seconds
    return SHADOW_DECISION.model_copy(
        update={"plan_id": f"{at:012.0f}", "at": at, "last_seen_at": at, "due_at": at + 120} | changes
    )


async def test_one_trouble_is_one_shadow(store: Store) -> None:
    """Decided again every cycle it stays one; ten quiet minutes later it is another, and another cause is too."""
    for seconds in (0.0, 30.0, 600.0, 1100.0):
        await store.autonomy.put_shadow(make_later_decision(seconds))
    assert [s.at for s in await store.autonomy.load_due_shadows("charter", 1e9)] == [1000.0]
    await store.autonomy.put_shadow(make_later_decision(1100.0, component="validator-1"))
    await store.autonomy.put_shadow(make_later_decision(1701.0))
    assert [s.at for s in await store.autonomy.load_due_shadows("charter", 1e9)] == [1000.0, 2100.0, 2701.0]


async def test_a_shadow_is_scored_once_and_when_due(store: Store) -> None:
    """It is not scored early or twice, and without a score it leaves no evidence."""
    await store.autonomy.put_shadow(SHADOW_DECISION)
    assert await store.autonomy.load_due_shadows("charter", SHADOW_DECISION.due_at - 1) == ()
    assert await store.autonomy.load_due_shadows("other", SHADOW_DECISION.due_at) == ()
    for _ in range(2):
        await store.autonomy.record_score(SHADOW_DECISION, EvidenceKind.MATCH, 1200.0)
    (mark,) = await store.autonomy.load_evidence("charter")
    assert (mark.plan_id, mark.kind, mark.at) == (SHADOW_DECISION.plan_id, EvidenceKind.MATCH, 1200.0)
    other = make_later_decision(5000.0)
    await store.autonomy.put_shadow(other)
    await store.autonomy.record_score(other, None, 6200.0)
    assert len(await store.autonomy.load_evidence("charter")) == 1
    assert await store.autonomy.load_due_shadows("charter", 1e9) == ()


async def test_evidence_is_audited_once(store: Store) -> None:
    """Each row of evidence is checked once for a change of level."""
    await store.autonomy.put_shadow(SHADOW_DECISION)
    await store.autonomy.record_score(SHADOW_DECISION, EvidenceKind.MISS, 1200.0)
    assert await store.autonomy.count_unaudited("charter") == 1
    await store.autonomy.mark_audited("charter", 1)
    assert await store.autonomy.count_unaudited("charter") == 0


async def test_the_end_of_a_remediation_writes_its_evidence(store: Store) -> None:
    """Each type of action gets one row of evidence, also when the end is repeated."""
    for _ in range(2):
        await store.close_remediation(make_outcome_transaction(plan_id="a" * 12, evidence_kind=EvidenceKind.HARM))
    await store.close_remediation(make_outcome_transaction(plan_id="b" * 12))
    marks = await store.autonomy.load_evidence("charter")
    assert {(m.plan_id, m.kind) for m in marks} == {("a" * 12, EvidenceKind.HARM)}
    assert len(marks) == len({m.action for m in marks})
