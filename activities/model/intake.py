"""The messages of a loop's intake and of its upkeep."""

from activities.model.alert_state import AlertBook
from activities.model.cycle import PlanBrief
from activities.model.remediation import Yield
from activities.model.types import Noun


class Ask(Noun):
    """A wish for a cycle now. The same `key` (a name, at most 100 characters) is the same cycle; empty: a new one."""

    key: str = ""
    reason: str = ""


class LoopState(Noun):
    """Input of `MapekLoop`, carried over from run to run.

    `recent` are the ids of the last cycles, at most 10, newest last; `asked` counts all that were asked for by hand.
    """

    loop: str
    links: str = ""
    asked: int = 0
    recent: tuple[str, ...] = ()
    alerts: AlertBook = AlertBook()


class UpkeepRequest(Noun):
    """Input of `MapekUpkeep` and of its activity."""

    loop: str


class Yielding(Noun):
    """A remediation that shall be asked to give way."""

    workflow_id: str
    signal: Yield


class Resting(Noun):
    """A run of a remediation that only cools down, on a knob where something is left to settle."""

    workflow_id: str
    run_id: str


class Upkeep(Noun):
    """What there is to settle.

    `leftovers` are plans that may stand although no remediation answers for them; `resting` hold the knobs of some, and
    their rest has to end first. `yielding` are plans that wait for an approval while their violations are gone, or an
    earlier change on their knob has to be taken back.
    `closed` counts quiet incidents that were closed, `expired` snapshots.
    """

    headline: str
    leftovers: tuple[PlanBrief, ...] = ()
    yielding: tuple[Yielding, ...] = ()
    closed: int = 0
    expired: int = 0
    resting: tuple[Resting, ...] = ()
