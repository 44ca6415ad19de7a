"""Was it done? From Charter's state after a lost reply."""

import pytest

from activities.execute.calls import build_apply_request, build_undo_request
from activities.execute.readback import ChangeState, Readback, read_back
from activities.model.charter import Change, Committee, Policy
from activities.model.effect import Direction, Effect


def make_committee(generation=7, replicas=5, change=None, restart=None):
    """Return a committee whose last change and restart had these keys."""
    return Committee(
        replicas=replicas,
        healthy_nodes=replicas,
        generation=generation,
        last_change=Change(key=change, generation=generation) if change else None,
        last_restart=Change(key=restart, generation=generation) if restart else None,
    )


def make_throttle_versions(generation, key, *statuses, parameters=None):
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
        (8, "mine", ChangeState.DONE),
        (7, "other", ChangeState.NOT_DONE),
        (8, "other", ChangeState.SUPERSEDED),
        (6, "other", ChangeState.UNKNOWN),
        (7, None, ChangeState.NOT_DONE),
    ],
)
@pytest.mark.parametrize("step", [0, 1])
def test_committee(step, generation, key, state, make_plan, actions):
    """The key of the last change or restart decides; otherwise the generation does."""
    both = make_plan(actions["scale"], actions["restart"])
    call = build_apply_request(both, step, 7, 30.0)
    shown = call.key if key == "mine" else key
    seen = make_committee(generation, change=shown) if step == 0 else make_committee(generation, restart=shown)
    assert read_back(call, "committee", seen, ()) == Readback(state, generation)


def test_an_apply_is_found_with_its_newest_version(make_plan, actions):
    """The id for a later rollback is that of the newest version: all of them show the knob's last change."""
    call = build_apply_request(make_plan(actions["throttle"]), 0, 2, 30.0)
    versions = make_throttle_versions(3, call.key, "superseded", "rolled_back", "active")
    found = read_back(call, "throttle-requests.gateway", make_committee(), versions)
    assert found == Readback(ChangeState.DONE, 3, "policy_3")


def test_an_apply_that_never_arrived(make_plan, actions):
    """A knob that never existed and still does not exist was not changed."""
    call = build_apply_request(make_plan(actions["throttle"]), 0, 0, 30.0)
    assert read_back(call, "throttle-requests.gateway", make_committee(), ()) == Readback(ChangeState.NOT_DONE, 0)
    newer = make_throttle_versions(1, "somebody", "active")
    assert read_back(call, "throttle-requests.gateway", make_committee(), newer).state is ChangeState.SUPERSEDED


def test_a_rollback_is_found_by_its_key(make_plan, actions):
    """A rollback was done if its key is the knob's last one; it makes no new policy id."""
    done = Effect(plan_id="p", step=0, direction=Direction.DO, at=1.0, generation=1, policy_id="policy_1")
    call = build_undo_request(make_plan(actions["throttle"]), done, 1, 30.0)
    found = read_back(
        call, "throttle-requests.gateway", make_committee(), make_throttle_versions(2, call.key, "rolled_back")
    )
    assert found == Readback(ChangeState.DONE, 2)


@pytest.mark.parametrize(("replicas", "state"), [(6, ChangeState.DONE), (5, ChangeState.NOT_DONE)])
def test_a_plain_charter_is_asked_for_the_size(replicas, state, make_plan):
    """Without keys and generations the number of replicas decides."""
    call = build_apply_request(make_plan(), 0, 0, 30.0)
    assert read_back(call, "committee", make_committee(0, replicas), ()) == Readback(state, 0)


def test_a_plain_charter_cannot_tell_a_restart(make_plan, actions):
    """A restart leaves no value behind: unknown, not "no"."""
    call = build_apply_request(make_plan(actions["restart"]), 0, 0, 30.0)
    assert read_back(call, "committee", make_committee(0), ()).state is ChangeState.UNKNOWN


@pytest.mark.parametrize(
    ("status", "parameters", "expected"),
    [
        ("active", {"rate_limit": 300.0}, Readback(ChangeState.DONE, 0, "policy_1")),
        ("active", {"rate_limit": 200.0}, Readback(ChangeState.NOT_DONE, 0)),
        ("failed", {"rate_limit": 300.0}, Readback(ChangeState.NOT_DONE, 0)),
    ],
)
def test_a_plain_charter_is_asked_for_the_parameters(status, parameters, expected, make_plan, actions):
    """Without keys an active policy with the same parameters is the one."""
    call = build_apply_request(make_plan(actions["throttle"]), 0, 0, 30.0)
    versions = make_throttle_versions(0, None, status, parameters=parameters)
    assert read_back(call, "throttle-requests.gateway", make_committee(0), versions) == expected


@pytest.mark.parametrize(("status", "state"), [("rolled_back", ChangeState.DONE), ("active", ChangeState.UNKNOWN)])
def test_a_plain_charter_may_show_a_rollback(status, state, make_plan, actions):
    """Without keys only the policy's own status tells that it was rolled back."""
    done = Effect(plan_id="p", step=0, direction=Direction.DO, at=1.0, generation=0, policy_id="policy_1")
    call = build_undo_request(make_plan(actions["throttle"]), done, 0, 30.0)
    assert (
        read_back(call, "throttle-requests.gateway", make_committee(0), make_throttle_versions(0, None, status)).state
        is state
    )
