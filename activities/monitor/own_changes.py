"""The loop's own changes among those that Charter reports, by their idempotency keys."""

from collections.abc import Iterable

from activities.model.charter import Change, Committee, Policy


def own_applied_steps(committee: Committee | None, policies: Iterable[Policy]) -> frozenset[tuple[str, int]]:
    """Return (plan id, step) of every own change that is the last one on its knob, except undone ones."""
    committee_changes = (committee.last_change, committee.last_restart) if committee else ()
    changes = (*committee_changes, *(policy.last_change for policy in policies))
    return frozenset(step for change in changes if change and (step := parse_own_key(change)))


def parse_own_key(change: Change) -> tuple[str, int] | None:
    """Return (plan id, step) of a change with an own key, `<plan id>-<step>-do`, else None."""
    plan, _, rest = (change.key or "").partition("-")
    step, _, direction = rest.partition("-")
    return (plan, int(step)) if direction == "do" and step.isdigit() else None
