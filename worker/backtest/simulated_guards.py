"""The guards in virtual time: what stays of the plans when cool-downs, budgets, incidents and the ladder are kept.

A recording cannot answer a remedy. So each one keeps its knob busy for as long as a change that stands would, and then
ends `inconclusive`: its rung is used up until the incident is over.
"""

from activities.execute.pre_apply import begun
from activities.model.guards import GuardState, KnobGuard
from activities.model.history import PastRemediation
from activities.model.incident import Incident, Rung, incident_id
from activities.model.plan import Plan
from activities.plan.guards.rates import DAY

ENDING = "inconclusive"
QUIET = 600.0
"""Seconds without a violation after which an incident is over."""


class VirtualGuards:
    """The guard state of one backtest. `step` is seconds between its cycles: within two of them nothing is over."""

    def __init__(self, step: float) -> None:
        self._quiet = max(QUIET, 2.0 * step)
        self._rest: dict[str, float] = {}
        self._open: dict[str, Incident] = {}
        self._past: list[PastRemediation] = []

    def at(self, now: float, troubled: bool) -> GuardState:
        """Return the guard state at `now` (unix seconds); `troubled` tells that some violation holds."""
        self._open = {
            knob: self._ended(incident, now).model_copy(update={"seen_at": now if troubled else incident.seen_at})
            for knob, incident in self._open.items()
            if now - incident.seen_at < self._quiet
        }
        resting = {knob: until for knob, until in self._rest.items() if until > now}
        knobs = tuple(
            KnobGuard(knob=knob, cooldown_until=until, cooldown_why=ENDING) for knob, until in resting.items()
        )
        self._past = [self._over(past, now) for past in self._past if past.began > now - DAY]
        return GuardState(knobs=knobs, incidents=tuple(self._open.values()), past=tuple(self._past))

    def executed(self, plan: Plan, now: float) -> None:
        """Take note that a plan was executed at `now`."""
        self._rest[plan.knob] = now + plan.cool_downs.kept
        self._past.append(begun(plan, now))
        rung = Rung(rung=plan.rung, plan_id=plan.plan_id, cause=plan.cause, component=plan.component)
        known = self._open.get(plan.knob) or Incident(
            incident_id=incident_id(plan.charter, plan.knob, plan.onset),
            charter=plan.charter,
            knob=plan.knob,
            onset=plan.onset,
            opened_at=now,
            seen_at=now,
        )
        self._open[plan.knob] = known.model_copy(update={"rungs": (*known.rungs, rung), "seen_at": now})

    def _over(self, past: PastRemediation, now: float) -> PastRemediation:
        until = self._rest.get(past.knob, now)
        return past if past.ended or until > now else past.model_copy(update={"ended": until, "ending": ENDING})

    def _ended(self, incident: Incident, now: float) -> Incident:
        if self._rest.get(incident.knob, now) > now:
            return incident
        rungs = tuple(rung.model_copy(update={"ending": ENDING}) for rung in incident.rungs)
        return incident.model_copy(update={"rungs": rungs})
