"""How cycles end, and what they leave behind: nothing but detached remediations."""

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError

from activities.model.errors import NotFound
from tests.workflows import activity_results
from tests.workflows.activity_results import PLAN, VIOLATION, decision, plan_brief, prepared
from tests.workflows.cycle_scenarios import CYCLES
from tests.workflows.history_summary import order_of
from tests.workflows.remediation_scenarios import WAITS
from tests.workflows.scripted_worker import Gate
from workflows import names

CLOSER = "monitor, analyze"
FULL = "monitor, analyze, plan"
ORDER = {
    "healthy": "monitor",
    "healthy-at-a-closer-look": CLOSER,
    "blind": "monitor",
    "blind-at-a-closer-look": CLOSER,
    "blocked": FULL,
    "blocked-without-store": CLOSER,
    "observed": FULL,
    "unknown": FULL,
    "escalated": FULL,
    "planned": FULL,
    "planned-two-knobs": FULL,
    "busy": FULL,
    "busy-superseding": FULL,
}


@pytest.mark.parametrize("name", CYCLES)
async def test_outcome(stage, name):
    """A cycle goes only as far as it has to, and its outcome is findable and in its result."""
    run = await CYCLES[name](stage)
    outcome, result = name.split("-")[0], await run.result()
    assert result.outcome == outcome
    assert ", ".join(order_of(await run.history())) == ORDER[name]
    assert await run.attribute(names.OUTCOME) == outcome
    assert result.headline


async def test_what_a_cycle_tells(stage):
    """Violations, cause and plan of a cycle are in its result, and what a person searches by is findable."""
    run = await CYCLES["planned"](stage)
    result = await run.result()
    assert (result.violations, result.root_cause, result.plans) == ((VIOLATION.text,), "overload", (PLAN,))
    assert await run.attribute(names.VIOLATIONS) == [VIOLATION.text]
    assert await run.attribute(names.ROOT_CAUSE) == "overload"
    assert await run.attribute(names.PLAN) == PLAN


async def test_what_a_blind_cycle_tells(stage):
    """What could not be seen is said; it is neither a violation nor health."""
    result = await (await CYCLES["blind"](stage)).result()
    assert (result.blind, result.violations) == ((activity_results.BLIND_SPOT.text,), ())


async def test_a_remediation_survives_its_cycle(stage):
    """The cycle ends while the remediation it started has hardly begun; that one goes on to its own end."""
    brief, gate = plan_brief(stage.fresh("knob")), Gate(prepared())
    stage.lay_out(brief.workflow_id, activity_results.remediation(prepare=gate))
    cycle = await stage.cycle(activity_results.cycle(brief))
    await cycle.result()
    child = stage.child(brief.workflow_id)
    description = await child.handle.describe()
    assert description.status is WorkflowExecutionStatus.RUNNING
    found = [description.typed_search_attributes.get(key) for key in (names.PHASE, names.KNOB, names.PLAN, names.SCORE)]
    assert found == ["preparing", brief.knob, PLAN, 0.42]
    gate.opened.set()
    assert (await child.result()).outcome == "fixed"


async def test_two_knobs_start_in_one_task(stage):
    """Both remediations are started side by side: no start waits for the other's answer."""
    story = await (await CYCLES["planned-two-knobs"](stage)).story()
    assert story[story.index("child") :][:2] == ["child", "child"]
    assert story.count("child started") == 2


async def test_one_of_two_knobs_is_locked(stage):
    """A free knob is remediated although the other one is busy, and only its plan is named."""
    busy, free = stage.fresh("knob"), plan_brief(stage.fresh("knob"), "0123456789ab")
    await (await stage.remediate(knob=busy, prepare=WAITS)).until("phase awaiting-approval")
    stage.lay_out(free.workflow_id, activity_results.remediation())
    result = await (await stage.cycle(activity_results.cycle(plan_brief(busy), free))).result()
    assert (result.outcome, result.plans) == ("planned", ("0123456789ab",))


@pytest.mark.parametrize(("supersedes", "outcome"), [(PLAN, "superseded"), ("", "fixed")], ids=["lower-risk", "same"])
async def test_only_a_plan_of_lower_risk_asks_to_yield(stage, supersedes, outcome):
    """A cycle that finds the knob locked asks the waiting plan to yield if its own supersedes that, else leaves it."""
    knob = stage.fresh("knob")
    waiting = await stage.remediate(knob=knob, prepare=WAITS)
    await waiting.until("phase awaiting-approval")
    cycle = await stage.cycle(activity_results.cycle(plan_brief(knob, "0123456789ab", supersedes)))
    result = await cycle.result()
    assert (result.outcome, result.headline) == ("busy", f"busy: {knob} is being remediated")
    assert ("signalled" in await cycle.story()) == bool(supersedes)
    if not supersedes:
        assert "signal yield" not in await waiting.story()
        await waiting.handle.execute_update("decide", {"plan": PLAN, "approve": True, "who": "ada"})
    assert (await waiting.result()).outcome == outcome


async def test_a_loop_that_is_broken_fails(stage):
    """What is no answer of the business, as a loop nobody configured, is a failed workflow and not a healthy one."""
    run = await stage.cycle({"monitor": NotFound("no loop of this name is configured")})
    with pytest.raises(WorkflowFailureError):
        await run.result()


async def test_a_decision_without_plans_starts_nothing(stage):
    """An outcome that plans nothing has no child, whatever else was decided."""
    run = await stage.cycle(activity_results.cycle(plan=decision("observed")))
    await run.result()
    assert "child" not in await run.story()
