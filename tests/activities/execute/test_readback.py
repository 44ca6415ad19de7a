"""Was it done? From Charter's state after a lost reply."""

import pytest

from activities.execute.calls import do_call, undo_call
from activities.execute.readback import Readback, State, read_back
from activities.model.charter import Change, Committee, Policy
from activities.model.effect import Direction, Effect


def committee(generation=7, replicas=5, change=None, restart=None):
    """Return a committee whose last change and restart had these keys."""
    return Committee(
        replicas=replicas,
        healthy_nodes=replicas,
        generation=generation,
        last_change=Change(key=change, generation=generation) if change else None,
        last_restart=Change(key=restart, generation=generation) if restart else None,
    )


def throttles(generation, key, *statuses, parameters=None):
    """Return versions of the throttle's knob, as Charter shows them: each with the last change of the knob."""
    return tuple(
        Policy(
            id=f"policy_{version}",
            name="throttle-requests.gateway",
            parameters=parameters or {},
            status=status,
            version=version,
            generation=generation,
            last_change=Change(key=key, generation=generation) if key else None,
        )
        for version, status in enumerate(statuses, 1)
    )


@pytest.mark.parametrize(
    ("generation", "key", "state"),
    [
        (8, "mine", State.DONE),
        (7, "other", State.NOT_DONE),
        (8, "other", State.SUPERSEDED),
        (6, "other", State.UNKNOWN),
        (7, None, State.NOT_DONE),
    ],
)
@pytest.mark.parametrize("step", [0, 1])
def test_committee(step, generation, key, state, plan, actions):
    """The key of the last change or restart decides; otherwise the generation does."""
    both = plan(actions["scale"], actions["restart"])
    call = do_call(both, step, 7, 30.0)
    shown = call.key if key == "mine" else key
    seen = committee(generation, change=shown) if step == 0 else committee(generation, restart=shown)
    assert read_back(call, "committee", seen, ()) == Readback(state, generation)


def test_an_apply_is_found_with_its_newest_version(plan, actions):
    """The id for a later rollback is that of the newest version: all of them show the knob's last change."""
    call = do_call(plan(actions["throttle"]), 0, 2, 30.0)
    versions = throttles(3, call.key, "superseded", "rolled_back", "active")
    found = read_back(call, "throttle-requests.gateway", committee(), versions)
    assert found == Readback(State.DONE, 3, "policy_3")


def test_an_apply_that_never_arrived(plan, actions):
    """A knob that never existed and still does not exist was not changed."""
    call = do_call(plan(actions["throttle"]), 0, 0, 30.0)
    assert read_back(call, "throttle-requests.gateway", committee(), ()) == Readback(State.NOT_DONE, 0)
    newer = throttles(1, "somebody", "active")
    assert read_back(call, "throttle-requests.gateway", committee(), newer).state is State.SUPERSEDED


def test_a_rollback_is_found_by_its_key(plan, actions):
    """A rollback was done if its key is the knob's last one; it makes no new policy id."""
    done = Effect(plan_id="p", step=0, direction=Direction.DO, at=1.0, generation=1, policy_id="policy_1")
    call = undo_call(plan(actions["throttle"]), done, 1, 30.0)
    found = read_back(call, "throttle-requests.gateway", committee(), throttles(2, call.key, "rolled_back"))
    assert found == Readback(State.DONE, 2)


@pytest.mark.parametrize(("replicas", "state"), [(6, State.DONE), (5, State.NOT_DONE)])
def test_a_plain_charter_is_asked_for_the_size(replicas, state, plan):
    """Without keys and generations the number of replicas decides."""
    call = do_call(plan(), 0, 0, 30.0)
    assert read_back(call, "committee", committee(0, replicas), ()) == Readback(state, 0)


def test_a_plain_charter_cannot_tell_a_restart(plan, actions):
    """A restart leaves no value behind: unknown, not "no"."""
    call = do_call(plan(actions["restart"]), 0, 0, 30.0)
    assert read_back(call, "committee", committee(0), ()).state is State.UNKNOWN


@pytest.mark.parametrize(
    ("status", "parameters", "expected"),
    [
        ("active", {"rate_limit": 300.0}, Readback(State.DONE, 0, "policy_1")),
        ("active", {"rate_limit": 200.0}, Readback(State.NOT_DONE, 0)),
        ("failed", {"rate_limit": 300.0}, Readback(State.NOT_DONE, 0)),
    ],
)
def test_a_plain_charter_is_asked_for_the_parameters(status, parameters, expected, plan, actions):
    """Without keys an active policy with the same parameters is the one."""
    call = do_call(plan(actions["throttle"]), 0, 0, 30.0)
    versions = throttles(0, None, status, parameters=parameters)
    assert read_back(call, "throttle-requests.gateway", committee(0), versions) == expected


@pytest.mark.parametrize(("status", "state"), [("rolled_back", State.DONE), ("active", State.UNKNOWN)])
def test_a_plain_charter_may_show_a_rollback(status, state, plan, actions):
    """Without keys only the policy's own status tells that it was rolled back."""
    done = Effect(plan_id="p", step=0, direction=Direction.DO, at=1.0, generation=0, policy_id="policy_1")
    call = undo_call(plan(actions["throttle"]), done, 0, 30.0)
    assert read_back(call, "throttle-requests.gateway", committee(0), throttles(0, None, status)).state is state
