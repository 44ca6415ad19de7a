"""Reading back from Charter's state whether a change was done."""

from typing import Any

import pytest

from activities.execute.calls import build_apply_request, build_undo_request
from activities.execute.readback import ChangeState, Readback, read_back
from activities.model.action import Action
from activities.model.charter import Change, Committee, Policy
from activities.model.effect import Direction, Effect
from tests.activities.execute.conftest import PlanFactory


def make_committee(
    generation: int = 7, replicas: int = 5, change: str | None = None, restart: str | None = None
) -> Committee:
    """Return a committee whose last change and restart have these keys."""
    return Committee(
        replicas=replicas,
        healthy_nodes=replicas,
        generation=generation,
        last_change=Change(key=change, generation=generation) if change else None,
        last_restart=Change(key=restart, generation=generation) if restart else None,
    )


def make_throttle_versions(
    generation: int, key: str | None, *statuses: str, parameters: dict[str, Any] | None = None
) -> tuple[Policy, ...]:
    """Return versions of the throttle's policy as Charter shows them, each with the last change of the knob."""
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
        (8, "own", ChangeState.DONE),
        (7, "other", ChangeState.NOT_DONE),
        (8, "other", ChangeState.SUPERSEDED),
        (6, "other", ChangeState.UNKNOWN),
        (7, None, ChangeState.NOT_DONE),
    ],
)
@pytest.mark.parametrize("step", [0, 1])
def test_the_last_change_of_the_committee_decides(
    step: int,
    generation: int,
    key: str | None,
    state: ChangeState,
    make_plan: PlanFactory,
    actions: dict[str, Action],
) -> None:
    """The key of the last change or restart decides; without a match the generation decides."""
    plan = make_plan(actions["scale"], actions["restart"])
    request = build_apply_request(plan, step, 7, 30.0)
    last_key = request.key if key == "own" else key
    committee = (
        make_committee(generation, change=last_key) if step == 0 else make_committee(generation, restart=last_key)
    )
    assert read_back(request, "committee", committee, ()) == Readback(state, generation)


def test_an_apply_is_found_with_its_newest_version(make_plan: PlanFactory, actions: dict[str, Action]) -> None:
    """A later rollback needs the id of the newest version; all versions show the knob's last change."""
    request = build_apply_request(make_plan(actions["throttle"]), 0, 2, 30.0)
    versions = make_throttle_versions(3, request.key, "superseded", "rolled_back", "active")
    readback = read_back(request, "throttle-requests.gateway", make_committee(), versions)
    assert readback == Readback(ChangeState.DONE, 3, "policy_3")


def test_an_apply_that_never_arrived_is_not_done(make_plan: PlanFactory, actions: dict[str, Action]) -> None:
    """A knob that does not exist was not changed; a newer change supersedes it."""
    request = build_apply_request(make_plan(actions["throttle"]), 0, 0, 30.0)
    assert read_back(request, "throttle-requests.gateway", make_committee(), ()) == Readback(ChangeState.NOT_DONE, 0)
    newer = make_throttle_versions(1, "other", "active")
    assert read_back(request, "throttle-requests.gateway", make_committee(), newer).state is ChangeState.SUPERSEDED


def test_a_rollback_is_found_by_its_key(make_plan: PlanFactory, actions: dict[str, Action]) -> None:
    """A rollback was done if its key is the knob's last one; it creates no policy id."""
    effect = Effect(plan_id="p", step=0, direction=Direction.DO, at=1.0, generation=1, policy_id="policy_1")
    request = build_undo_request(make_plan(actions["throttle"]), effect, 1, 30.0)
    assert request is not None
    versions = make_throttle_versions(2, request.key, "rolled_back")
    readback = read_back(request, "throttle-requests.gateway", make_committee(), versions)
    assert readback == Readback(ChangeState.DONE, 2)


@pytest.mark.parametrize(("replicas", "state"), [(6, ChangeState.DONE), (5, ChangeState.NOT_DONE)])
def test_without_keys_the_replicas_decide(replicas: int, state: ChangeState, make_plan: PlanFactory) -> None:
    """At a Charter without keys and generations, the number of replicas shows a scaling."""
    request = build_apply_request(make_plan(), 0, 0, 30.0)
    assert read_back(request, "committee", make_committee(0, replicas), ()) == Readback(state, 0)


def test_without_keys_a_restart_is_unknown(make_plan: PlanFactory, actions: dict[str, Action]) -> None:
    """A restart changes no value, so the state is unknown and not "not done"."""
    request = build_apply_request(make_plan(actions["restart"]), 0, 0, 30.0)
    assert read_back(request, "committee", make_committee(0), ()).state is ChangeState.UNKNOWN


@pytest.mark.parametrize(
    ("status", "parameters", "expected"),
    [
        ("active", {"rate_limit": 300.0}, Readback(ChangeState.DONE, 0, "policy_1")),
        ("active", {"rate_limit": 200.0}, Readback(ChangeState.NOT_DONE, 0)),
        ("failed", {"rate_limit": 300.0}, Readback(ChangeState.NOT_DONE, 0)),
    ],
)
def test_without_keys_the_parameters_decide(
    status: str, parameters: dict[str, Any], expected: Readback, make_plan: PlanFactory, actions: dict[str, Action]
) -> None:
    """At a Charter without keys, an active policy with the same parameters shows an apply."""
    request = build_apply_request(make_plan(actions["throttle"]), 0, 0, 30.0)
    versions = make_throttle_versions(0, None, status, parameters=parameters)
    assert read_back(request, "throttle-requests.gateway", make_committee(0), versions) == expected


@pytest.mark.parametrize(("status", "state"), [("rolled_back", ChangeState.DONE), ("active", ChangeState.UNKNOWN)])
def test_without_keys_the_status_shows_a_rollback(
    status: str, state: ChangeState, make_plan: PlanFactory, actions: dict[str, Action]
) -> None:
    """At a Charter without keys, the status of the policy shows a rollback."""
    effect = Effect(plan_id="p", step=0, direction=Direction.DO, at=1.0, generation=0, policy_id="policy_1")
    request = build_undo_request(make_plan(actions["throttle"]), effect, 0, 30.0)
    assert request is not None
    versions = make_throttle_versions(0, None, status)
    assert read_back(request, "throttle-requests.gateway", make_committee(0), versions).state is state
