"""What Knowledge tells the planner."""

from activities.model.action import ActionType
from activities.model.base import Noun
from activities.model.diagnosis import Cause


class Record(Noun):
    """Counted outcomes of one action against one cause: `n` of them, with the sum of their values (0 to n)."""

    action: ActionType
    cause: Cause
    n: int
    total: float


class Experience(Noun):
    """All counted outcomes of a loop, summed."""

    records: tuple[Record, ...] = ()

    def of(self, action: ActionType, cause: Cause) -> Record:
        """Return the record of the pair, an empty one if it was never tried."""
        for record in self.records:
            if (record.action, record.cause) == (action, cause):
                return record
        return Record(action=action, cause=cause, n=0, total=0.0)
