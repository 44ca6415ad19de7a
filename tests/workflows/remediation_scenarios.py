"""Remediations as they can go: each scene starts one on a stage, plays what people and servers do, and sees it end.

The names are those of the golden histories. A plan whose cool-down is to be seen is given one; else it has none.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from activities.model.errors import NotFound, Rejected, Stale
from activities.model.outcome import Consequence, Verdict
from activities.model.remediation import Approval, Resume, Step, Yield
from tests.workflows.activity_results import (
    MADE_WORSE,
    MOMENT,
    NOTHING_TO_UNDO,
    PLAN,
    UNDO_FAILED,
    UNDONE,
    applied,
    prepared,
    recorded,
    verified,
)
from tests.workflows.scripted_worker import Gate
from tests.workflows.workflow_env import Run, Stage

Scene = Callable[[Stage], Awaitable[Run]]

WAITS = [prepared(needs_approval=True), prepared()]
"""What `prepare` answers to a plan that waits for an approval, and after it."""
YES = Approval(plan=PLAN, approve=True, who="ada", why="looks right")
NO = Approval(plan=PLAN, approve=False, who="ada", why="not today")


def alone(**given: Any) -> Scene:
    """A scene in which nobody interferes."""

    async def play(stage: Stage) -> Run:
        run = await stage.remediate(**given)
        await run.result()
        return run

    return play


def decided(approval: Approval, **given: Any) -> Scene:
    """A scene in which a person decides upon the plan that waits."""

    async def play(stage: Stage) -> Run:
        run = await stage.remediate(**({"prepare": WAITS} | given))
        await run.until("phase awaiting-approval")
        await run.handle.execute_update("decide", approval)
        await run.result()
        return run

    return play


def yielded(ending: str) -> Scene:
    """A scene in which the plan gives way while it waits."""

    async def play(stage: Stage) -> Run:
        run = await stage.remediate(prepare=WAITS)
        await run.until("phase awaiting-approval")
        await run.handle.signal("yield", Yield(plan=PLAN, ending=ending, why=f"it {ending}"))
        await run.result()
        return run

    return play


def cancelled_in(activity: str, answer: Any, **given: Any) -> Scene:
    """A scene in which the remediation is cancelled while this activity is in flight, which then ends with `answer`."""

    async def play(stage: Stage) -> Run:
        gate = Gate(answer)
        run = await stage.remediate(**given, **{activity: [gate, answer]})
        await gate.arrived()
        await run.cancel()
        gate.opened.set()
        await run.result()
        return run

    return play


def cancelled_after(word: str, **given: Any) -> Scene:
    """A scene in which the remediation is cancelled while it waits, after this word of its story."""

    async def play(stage: Stage) -> Run:
        run = await stage.remediate(**given)
        await run.until(word)
        await run.cancel()
        await run.result()
        return run

    return play


async def cancelled_in_rollback_check(stage: Stage) -> Run:
    """A cancellation comes while the rollback is verified."""
    gate = Gate(verified(Verdict.FIXED))
    run = await stage.remediate(verify=[MADE_WORSE, gate])
    await gate.arrived()
    await run.cancel()
    gate.opened.set()
    await run.result()
    return run


def open_in(phase: str, **given: Any) -> Scene:
    """A scene that stops at this phase, for a history that goes on under the code of tomorrow."""

    async def play(stage: Stage) -> Run:
        run = await stage.remediate(**given)
        await run.until(f"phase {phase}")
        return run

    return play


async def verifying(stage: Stage) -> Run:
    """A verification is under way, as it is for minutes of each remediation."""
    gate = Gate(verified(Verdict.FIXED))
    run = await stage.remediate(verify=gate)
    await gate.arrived()
    return run


async def quarantined(stage: Stage) -> Run:
    """The rollback fails: the knob stays locked, and so this history is an open one."""
    run = await stage.remediate(verify=MADE_WORSE, undo=UNDO_FAILED)
    await run.until("phase quarantined")
    return run


async def released(stage: Stage) -> Run:
    """A quarantined knob is cancelled, which does nothing, and then released by a person."""
    run = await quarantined(stage)
    await run.cancel()
    await run.handle.signal("resume", Resume(who="ada", why="repaired by hand"))
    await run.result()
    return run


LEFTOVER = prepared(steps=3).model_copy(
    update={"steps": (Step(text="step 0", standing=True), Step(text="step 1"), Step(text="step 2", standing=True))}
)
BEST_EFFORT = prepared(steps=2, transactional=False)
ONE_OF_TWO = [applied, Rejected("422: no such policy")]

ENDINGS: dict[str, Scene] = {
    "fixed": alone(record=recorded(cool_down=MOMENT)),
    "fixed-after-settling": alone(settle=MOMENT),
    "fixed-in-two-steps": alone(prepare=prepared(steps=2)),
    "improved": alone(verify=verified(Verdict.IMPROVED)),
    "no_effect": alone(verify=verified(Verdict.NO_EFFECT)),
    "worse": alone(verify=verified(Verdict.WORSE, Consequence.ESCALATE)),
    "inconclusive": alone(verify=verified(Verdict.INCONCLUSIVE)),
    "rolled_back": alone(verify=MADE_WORSE, record=recorded(cool_down=MOMENT)),
    "rolled_back-two-steps": alone(prepare=prepared(steps=2), verify=MADE_WORSE),
    "rolled_back-unverified": alone(verify=NotFound("plan gone")),
    "inconclusive-unverified": alone(prepare=prepared(risky=False), verify=NotFound("plan gone")),
    "rolled_back-apply-unknown": alone(apply=Rejected("422 after a lost reply")),
    "rolled_back-second-step-failed": alone(prepare=prepared(steps=2), apply=ONE_OF_TWO),
    "fixed-by-the-first-step": alone(prepare=BEST_EFFORT, apply=ONE_OF_TWO, undo=NOTHING_TO_UNDO),
    "rolled_back-by-best-effort": alone(prepare=BEST_EFFORT, apply=ONE_OF_TWO, undo=[UNDO_FAILED, UNDONE, UNDONE]),
    "failed": alone(prepare=NotFound("no such plan")),
    "failed-refused": alone(apply=Rejected("422: no such policy"), undo=NOTHING_TO_UNDO),
    "stale": alone(apply=Stale("412: generation 8, not 7"), undo=NOTHING_TO_UNDO),
    "stale-prepared": alone(prepare=prepared(ending="stale")),
    "rolled_back-after-reset": alone(prepare=LEFTOVER.model_copy(update={"ending": "stale"})),
    "stale-after-approval": decided(YES, prepare=[WAITS[0], prepared(ending="stale")]),
    "rejected": decided(NO),
    "fixed-approved": decided(YES),
    "expired": alone(prepare=prepared(needs_approval=True, deadline=MOMENT)),
    "superseded": yielded("superseded"),
    "recovered": yielded("recovered"),
    "quarantined": quarantined,
    "released": released,
    "leftover": alone(leftover=True, prepare=LEFTOVER),
    "leftover-nothing-stands": alone(leftover=True, prepare=prepared()),
}

STOPS: dict[str, Scene] = {
    "stopped-settling": cancelled_after("timer", settle=60.0),
    "stopped-preparing": cancelled_in("prepare", prepared()),
    "stopped-awaiting-approval": cancelled_after("phase awaiting-approval", prepare=WAITS),
    "stopped-applying": cancelled_in("apply", applied),
    "failed-while-stopped": cancelled_in("apply", Rejected("422: no such policy"), undo=NOTHING_TO_UNDO),
    "stopped-between-steps": cancelled_in("apply", applied, prepare=prepared(steps=2)),
    "stopped-verifying": cancelled_in("verify", verified(Verdict.FIXED)),
    "stopped-rolling-back": cancelled_in("undo", UNDONE, prepare=prepared(steps=2), verify=MADE_WORSE),
    "stopped-verifying-rollback": cancelled_in_rollback_check,
    "stopped-recording": cancelled_in("record", recorded(cool_down=60.0)),
    "stopped-cooling-down": cancelled_after("phase cooling-down", record=recorded(cool_down=60.0)),
    "stopped-leftover": cancelled_in("prepare", LEFTOVER, leftover=True),
}

OPEN: dict[str, Scene] = {
    "open-awaiting-approval": open_in("awaiting-approval", prepare=WAITS),
    "open-verifying": verifying,
    "open-cooling-down": open_in("cooling-down", record=recorded(cool_down=600.0)),
}

REMEDIATIONS = ENDINGS | STOPS | OPEN
