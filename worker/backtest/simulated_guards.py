"""The guard state in virtual time: cool-downs, budgets, incidents and the ladder.

A recording does not react to a remediation. So each one occupies its knob for the cool-down after a success and then
ends `inconclusive`, which uses its rung until the incident is closed.
"""

from activities.execute.pre_apply import build_remediation_record
from activities.model.guard_state import GuardState, KnobGuard
from activities.model.history import RemediationRecord
from activities.model.incident import INCIDENT_QUIET_SECONDS, Incident, Rung, compute_incident_id
from activities.model.plan import Plan
from activities.model.remediation_outcome import RemediationOutcome
from activities.model.types import DAY_SECONDS

ASSUMED_OUTCOME = RemediationOutcome.INCONCLUSIVE


class SimulatedGuards:
    """The guard state of one backtest. `step` is seconds between cycles; no incident closes within two of them."""

    def __init__(self, step: float) -> None:
        self._quiet_seconds = max(INCIDENT_QUIET_SECONDS, 2.0 * step)
        self._cool_down_until: dict[str, float] = {}
        self._open_incidents: dict[str, Incident] = {}
        self._remediations: list[RemediationRecord] = []

    def state_at(self, now: float, has_violations: bool) -> GuardState:
        """Return the guard state at `now` (unix seconds)."""
        self._open_incidents = {
            knob: self._close_rungs(incident, now).model_copy(
                update={"last_seen_at": now if has_violations else incident.last_seen_at}
            )
            for knob, incident in self._open_incidents.items()
            if now - incident.last_seen_at < self._quiet_seconds
        }
        cool_downs = {knob: until for knob, until in self._cool_down_until.items() if until > now}
        knobs = tuple(
            KnobGuard(knob=knob, cool_down_until=until, cool_down_reason=ASSUMED_OUTCOME)
            for knob, until in cool_downs.items()
        )
        self._remediations = [
            self._end_if_due(remediation, now)
            for remediation in self._remediations
            if remediation.started_at > now - DAY_SECONDS
        ]
        return GuardState(
            knobs=knobs, incidents=tuple(self._open_incidents.values()), recent_remediations=tuple(self._remediations)
        )

    def record_execution(self, plan: Plan, now: float) -> None:
        """Record that a plan was executed at `now`."""
        self._cool_down_until[plan.knob] = now + plan.cool_downs.after_success
        self._remediations.append(build_remediation_record(plan, now))
        rung = Rung(rung=plan.rung, plan_id=plan.plan_id, cause=plan.cause, component=plan.component)
        incident = self._open_incidents.get(plan.knob) or Incident(
            incident_id=compute_incident_id(plan.charter, plan.knob, plan.onset),
            charter=plan.charter,
            knob=plan.knob,
            onset=plan.onset,
            opened_at=now,
            last_seen_at=now,
        )
        self._open_incidents[plan.knob] = incident.model_copy(
            update={"rungs": (*incident.rungs, rung), "last_seen_at": now}
        )

    def _end_if_due(self, remediation: RemediationRecord, now: float) -> RemediationRecord:
        until = self._cool_down_until.get(remediation.knob, now)
        return (
            remediation
            if remediation.ended_at or until > now
            else remediation.model_copy(update={"ended_at": until, "outcome": ASSUMED_OUTCOME})
        )

    def _close_rungs(self, incident: Incident, now: float) -> Incident:
        if self._cool_down_until.get(incident.knob, now) > now:
            return incident
        rungs = tuple(rung.model_copy(update={"outcome": ASSUMED_OUTCOME}) for rung in incident.rungs)
        return incident.model_copy(update={"rungs": rungs})
