"""The checker on small runs written by hand: it finds what is broken, and nothing else."""

from dataclasses import replace

import pytest

from tests.soak.checker.budgets import calm_in_storms, within_budget
from tests.soak.checker.check import check
from tests.soak.checker.evidence import Evidence

PLAN, OTHER = "a1b2c3d4e5f6", "ffffffffffff"
AT = 1000.0


def entry(step=0, direction="do", before=7, at=AT, **changes):
    """A row of Charter's ledger."""
    effect = "applied" if direction == "do" else "rolled_back"
    key = f"{PLAN}-{step}-{direction}"
    row = {"at": at, "effect": effect, "kind": "APPLY_POLICY", "knob": "admission", "policy_id": "policy_2", "key": key}
    return {**row, "generation_before": before, "generation_after": before + 1, **changes}


def sent(step=0, direction="do", **changes):
    """The audit row before a change is sent."""
    row = {"at": AT - 1, "kind": "attempt", "plan_id": PLAN, "knob": "admission", "key": f"{PLAN}-{step}-{direction}"}
    return {**row, "step": step, "direction": direction, "phase": "before", "text": "", **changes}


def ending(at=AT + 100, text="fixed"):
    """The audit row of an ending."""
    return {"at": at, "kind": "ending", "plan_id": PLAN, "knob": "admission", "key": "", "phase": "", "text": text}


def remediation(workflow_id="mapek-fix:charter:admission", plan=PLAN, started=AT - 20, closed=AT + 200, events=()):
    """A run of a remediation."""
    run = {"workflow_id": workflow_id, "run_id": "r", "type": "Remediation", "input": {"plan_id": plan}}
    return {**run, "started": started, "closed": closed, "status": "completed", "outcome": "fixed", "events": events}


def plan(plan_id=PLAN, **changes):
    """A stored plan."""
    rule = {"samples": 5, "passes": 4, "targets": [["gateway", "failure_rate"]]}
    row = {"plan_id": plan_id, "knob": "admission", "incident_id": "i", "generation": 7, "created_at": AT - 20}
    return {**row, "verification": rule, **changes}


def outcome(kind="fixed", **changes):
    """A stored outcome."""
    return {"plan_id": PLAN, "ending": kind, "at": AT + 100, "seconds": 90.0, **changes}


def verify(verdict="fixed", samples=5):
    """The result of a verification in a history."""
    result = {"verdict": verdict, "samples": samples}
    return {"at": AT + 90, "event": "activity", "name": "verify", "result": result}


def stranger(mark="stranger-1", status=401):
    """A post that must not be heard."""
    return {"mark": mark, "kind": "without a token", "status": status}


GOOD = Evidence(
    seed=1,
    ledger=(entry(),),
    audit=(sent(), ending()),
    plans=(plan(), plan(OTHER)),
    outcomes=(outcome(),),
    histories=(remediation(events=(verify(),)),),
    quiet_since=AT + 200,
    ended=AT + 400,
)
ROLLED_BACK = replace(
    GOOD,
    ledger=(entry(), entry(direction="undo", before=8, at=AT + 60)),
    audit=(sent(), sent(direction="undo"), ending(text="rolled_back")),
    outcomes=(outcome("rolled_back"),),
)
MEMBERS = [{"name": f"validator-{n}", "healthy": n != 1} for n in range(1, 6)]


def restart(member):
    """Charter's state before a restart of ours."""
    before = {"replicas": 5, "members": MEMBERS}
    return {"at": AT, "key": f"{PLAN}-0-do", "kind": "RESTART_SERVICE", "body": {"member": member}, "before": before}


def scaled_back():
    """Charter's state before a member of ours is taken away again: two of six are dead."""
    members = [{"name": f"validator-{n}", "healthy": n > 2} for n in range(1, 7)]
    before = {"replicas": 6, "members": members}
    return {"at": AT + 60, "key": f"{PLAN}-0-undo", "kind": "SCALE_UP", "body": {"replicas": 5}, "before": before}


BLIND_DECISION = {"at": AT - 20, "event": "activity", "name": "plan", "result": {"plans": [{"plan_id": PLAN}]}}
TRIED = {"at": AT, "event": "activity_failed", "name": "apply", "request": {"step": 0}}
OVERTAKEN = {"at": AT, "event": "activity_cancelled", "name": "undo", "request": {"step": 0}}
BROKEN = {
    "done twice": ("I1", replace(GOOD, ledger=(entry(), entry(before=8)))),
    "done twice under two keys": (
        "I1",
        replace(
            GOOD, ledger=(entry(key="x"), entry(key="y", before=8)), audit=(sent(key="x"), sent(key="y"), ending())
        ),
    ),
    "sent without a key": ("I1", replace(GOOD, audit=(*GOOD.audit, sent(key="")))),
    "sent without a row before it": ("I1", replace(GOOD, audit=(ending(),))),
    "undone though not done": ("I1", replace(ROLLED_BACK, ledger=(entry(direction="undo"),))),
    "stale": ("fence", replace(GOOD, plans=(plan(generation=6),))),
    "undone over another's change": ("fence", replace(ROLLED_BACK, ledger=(entry(), entry(0, "undo", 9)))),
    "below quorum + 1": ("quorum", replace(GOOD, committee=(restart("validator-2"),))),
    "undone below quorum + 1": ("quorum", replace(ROLLED_BACK, committee=(scaled_back(),))),
    "half undone": ("I3", replace(GOOD, outcomes=(outcome("rolled_back"),))),
    "undone though fixed": ("I3", replace(ROLLED_BACK, outcomes=(outcome(),))),
    "belongs to nobody": ("I4", replace(GOOD, outcomes=(), audit=(sent(),))),
    "done after its end": ("I4", replace(GOOD, outcomes=(outcome("failed", at=AT - 5),))),
    "left what was tried": (
        "I3",
        replace(
            GOOD,
            ledger=(),
            outcomes=(outcome("failed"),),
            histories=({**remediation(events=(TRIED,)), "outcome": "failed"},),
        ),
    ),
    "overtaken by a cancellation": ("I3", replace(GOOD, histories=(remediation(events=(OVERTAKEN,)),))),
    "another command on replay": (
        "I5",
        replace(GOOD, histories=(remediation(events=({"at": AT, "event": "nondeterminism"},)),)),
    ),
    "two at once": ("I6", replace(GOOD, histories=(*GOOD.histories, remediation("mapek-fix:charter:x", OTHER, AT)))),
    "decided blind": (
        "I7",
        replace(GOOD, blind=((AT - 60, AT),), histories=(remediation(events=(BLIND_DECISION,)),)),
    ),
    "verified by nothing": ("I7", replace(GOOD, histories=(remediation(events=(verify(samples=0),)),))),
    "moved back twice": (
        "I8",
        replace(
            ROLLED_BACK,
            outcomes=(*ROLLED_BACK.outcomes, outcome("rolled_back", plan_id=OTHER)),
            ledger=(
                *ROLLED_BACK.ledger,
                entry(before=9, key=f"{OTHER}-0-do"),
                entry(direction="undo", before=10, key=f"{OTHER}-0-undo"),
            ),
        ),
    ),
    "ended twice": ("I9", replace(GOOD, audit=(*GOOD.audit, ending(AT + 120)))),
    "fixed though never done": ("I9", replace(GOOD, ledger=())),
    "tried for ever": ("I10", replace(GOOD, audit=(*GOOD.audit, *(sent() for _ in range(500))))),
    "alert without a cycle": ("I2", replace(GOOD, alerts=({"answered_at": AT},), observed=(AT - 1,))),
    "alert without a cycle when it was due": (
        "I2",
        replace(GOOD, alerts=({"answered_at": AT, "due": AT + 9},), observed=(AT + 10,)),
    ),
    "a secret told": ("I11", replace(GOOD, leaks=({"secret": "webhook.token", "place": "worker-1.log"},))),
    "a stranger let in": ("I12", replace(GOOD, strangers=(stranger(status=200),))),
    "a stranger heard though refused": ("I12", replace(GOOD, strangers=(stranger(mark="admission", status=401),))),
}


TURNED_AWAY = replace(GOOD, strangers=(stranger(), stranger(mark="stranger-2", status=None)))


@pytest.mark.parametrize("evidence", [GOOD, ROLLED_BACK, TURNED_AWAY], ids=["kept", "rolled back", "turned away"])
def test_a_good_run_is_good(evidence):
    """Nothing is found in a run that broke nothing."""
    assert check(evidence) == []


@pytest.mark.parametrize(("invariant", "evidence"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_invariant_is_found(invariant, evidence):
    """Each way to break an invariant is found under its name, with the seed."""
    found = check(evidence)
    assert invariant in {violation.invariant for violation in found}
    assert all("seed 1" in str(violation) for violation in found)


def test_a_dead_member_may_be_restarted_below_quorum():
    """Restarting who is dead already takes nobody away."""
    assert check(replace(GOOD, committee=(restart("validator-1"),))) == []


@pytest.mark.parametrize(("recorded", "found"), [(AT - 5, 0), (AT + 5, 1)])
def test_a_restart_that_came_after_its_end_is_charters_to_refuse(recorded, found):
    """A worker that stood still sends what its remediation has given up: no guard of ours is asked any more."""
    late = {"kind": "RESTART_SERVICE", "policy_id": None}
    told = {"outcomes": (outcome("stale", at=recorded),), "audit": (sent(at=AT - 10), ending()), "histories": ()}
    run = replace(GOOD, ledger=(entry(**late),), **told)
    shown = replace(run, committee=(restart("validator-2"),))
    assert len([v for v in check(shown) if v.invariant == "quorum"]) == found


def test_what_is_taken_back_long_after_the_end_is_still_ours():
    """Upkeep finds a late change and sends its undo anew: that was not on its way when the plan ended."""
    audit = (sent(), ending(at=AT + 10), sent(direction="undo", at=AT + 59))
    run = replace(ROLLED_BACK, audit=audit, outcomes=(outcome("rolled_back", at=AT + 10),), histories=())
    found = check(replace(run, committee=(scaled_back(),)))
    assert "quorum" in {violation.invariant for violation in found}


def test_what_is_still_held_may_stand():
    """An applied plan whose remediation runs is not yet anybody's fault."""
    held = replace(GOOD, outcomes=(), audit=(sent(),), histories=(remediation(closed=None),))
    assert check(held) == []


def test_what_was_undone_before_a_reset_need_not_be_undone_again():
    """A remediation that was sent back after its rollback finds its plan ended, and asks for nothing more."""
    undo = {"at": AT + 60, "event": "activity", "name": "undo", "request": {"step": 0}}
    first = {**remediation(events=(TRIED, undo), closed=AT + 80), "status": "terminated"}
    again = {**remediation(started=AT + 80, events=(TRIED,)), "run_id": "s", "outcome": "rolled_back"}
    assert check(replace(ROLLED_BACK, histories=(first, again))) == []


@pytest.mark.parametrize(("seen", "found"), [("member_health 0 < 1", 0), ("failure_rate 0.4 > 0.2", 1)])
def test_what_charter_reports_may_be_planned_for_again_while_blind(seen, found):
    """The plan is the one that was made while more could be seen; what is seen now is what counts."""
    analyzed = {"at": AT - 21, "event": "activity", "name": "analyze", "result": {"violations": [f"{seen} on gateway"]}}
    cycle = {**remediation(events=(analyzed, BLIND_DECISION)), "type": "MapekCycle", "outcome": "planned"}
    assert len(check(replace(GOOD, blind=((AT - 60, AT),), histories=(*GOOD.histories, cycle)))) == found


def test_a_quarantine_excuses_what_stands():
    """A rollback that failed is escalated on record."""
    knobs = ({"knob": "admission", "quarantined": 1},)
    assert check(replace(GOOD, outcomes=(outcome("rolled_back"),), knobs=knobs)) == []


@pytest.mark.parametrize(("key", "found"), [(None, 0), (f"{OTHER}-0-do", 1)])
def test_a_size_that_somebody_else_has_set_since_is_theirs(key, found):
    """A late change of the committee that nobody can take back any more; our own next one does not excuse it."""
    size = {"kind": "SCALE_UP", "knob": "committee", "policy_id": None}
    ledger = (entry(**size), entry(before=8, at=AT + 5, **{**size, "key": key}))
    audit = (sent(knob="committee"), *([sent(knob="committee", plan_id=OTHER, key=key)] if key else []))
    told = {"outcomes": (outcome("failed", at=AT - 5, knob="committee"),), "histories": ()}
    run = replace(GOOD, ledger=ledger, audit=audit, **told)
    about = [v for v in check(run) if v.invariant == "I4" and PLAN in v.text]
    assert len(about) == found


def test_what_a_newer_policy_replaced_does_not_stand():
    """Somebody else's newer version is in force: there is nothing left to take back."""
    replaced = replace(GOOD, outcomes=(outcome("failed"),), generations={"admission": 9})
    assert check(replaced) == []


def begun(times, plans=None):
    """A run that began a remediation at each of these times."""
    named = plans or [f"{n:012x}" for n in range(len(times))]
    return replace(
        GOOD,
        ledger=tuple(entry(key=f"{name}-0-do") for name in named),
        plans=tuple(plan(name, loop="charter") for name in named),
        begun=tuple({"plan_id": name, "began": at} for name, at in zip(named, times, strict=True)),
        budgets=(("knob", 3, 3600.0), ("loop", 10, 3600.0)),
    )


@pytest.mark.parametrize(
    ("times", "found"),
    [((0, 100, 200), 0), ((0, 100, 200, 3599), 1), ((0, 100, 200, 3600), 0), ((0, 1000, 4000, 4100, 4200, 4300), 1)],
)
def test_more_remediations_than_the_budget_allows_are_told(times, found):
    """Three an hour are allowed, in whichever hour; a fourth in the same one is not."""
    assert len(list(within_budget(begun(times)))) == found


def test_a_change_no_budget_heard_of_is_told():
    """What the guards do not remember they cannot count."""
    assert [v.invariant for v in within_budget(replace(begun((0,)), begun=()))] == ["churn"]


def test_what_a_person_asked_for_is_not_counted():
    """A budget is about what the loop does by itself."""
    many = begun((0, 1, 2, 3))
    asked = tuple({**row, "requested_by": "ada"} for row in many.plans)
    assert not list(within_budget(replace(many, plans=asked)))


@pytest.mark.parametrize(("at", "found"), [(50, 0), (150, 1), (350, 0)])
def test_an_action_in_a_storm_is_told(at, found):
    """Between entering and leaving nothing begins."""
    rows = tuple(
        {"at": when, "kind": "storm", "loop": "charter", "plan_id": "", "text": text}
        for when, text in ((100, "entered: 5 of 8 in trouble"), (300, "left after 200 s"))
    )
    assert len(list(calm_in_storms(replace(begun((at,)), audit=rows, clock_right=True)))) == found
