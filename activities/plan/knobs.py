"""The generation of a knob, as Charter shows it."""

from activities.model.action import COMMITTEE
from activities.model.charter import Change, Committee, Policy


def knob_generation(knob: str, committee: Committee, policies: tuple[Policy, ...]) -> int:
    """Return the knob's present generation: the committee's, or that of the newest policy of this name.

    0 for an unknown policy. Both must have been read: an empty list of policies because Charter did not answer would
    make a stale plan look fresh.
    """
    if knob == COMMITTEE:
        return committee.generation
    return max((policy.generation for policy in policies if policy.name == knob), default=0)


def last_change_key(knob: str, committee: Committee, policies: tuple[Policy, ...]) -> tuple[int, str]:
    """Return the knob's present generation, and the key of its change, empty for a change without key."""
    if knob == COMMITTEE:
        changes = [committee.last_change, committee.last_restart]
    else:
        changes = [policy.last_change for policy in policies if policy.name == knob]
    last = max(
        (change for change in changes if change is not None), key=lambda change: change.generation, default=Change()
    )
    generation = knob_generation(knob, committee, policies)
    return generation, (last.key or "") if last.generation == generation else ""
