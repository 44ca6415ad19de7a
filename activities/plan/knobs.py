"""The generation of a knob, as Charter shows it."""

from activities.model.action import COMMITTEE
from activities.model.charter import Committee, Policy


def generation_of(knob: str, committee: Committee, policies: tuple[Policy, ...]) -> int:
    """Return the knob's present generation: the committee's, or that of the newest policy of this name.

    0 for a policy that never existed. Both must have been read: a list of policies that is empty because Charter
    did not answer would make a stale plan look fresh.
    """
    if knob == COMMITTEE:
        return committee.generation
    return max((policy.generation for policy in policies if policy.name == knob), default=0)
