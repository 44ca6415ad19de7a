"""Which of the changes that Charter shows are ours: it tells each one's key."""

from collections.abc import Iterable

from activities.model.charter import Change, Committee, Policy


def own_applied_steps(committee: Committee | None, policies: Iterable[Policy]) -> frozenset[tuple[str, int]]:
    """Return (plan id, step) of every change of ours that is the last one on its knob, undone ones left out."""
    moved = (committee.last_change, committee.last_restart) if committee else ()
    changes = (*moved, *(policy.last_change for policy in policies))
    return frozenset(found for change in changes if change and (found := parse_own_key(change)))


def parse_own_key(change: Change) -> tuple[str, int] | None:
    """Return (plan id, step) if the change was done under one of our keys, `<plan id>-<step>-do`; else None."""
    plan, _, rest = (change.key or "").partition("-")
    step, _, direction = rest.partition("-")
    return (plan, int(step)) if direction == "do" and step.isdigit() else None
