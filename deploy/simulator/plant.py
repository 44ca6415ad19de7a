"""The simulated Charter system: causes in, effects out.

Pure: time and seed are arguments, nothing here reads a clock. It advances by fixed ticks, so what happens does not
depend on how often it is asked. All times are unix seconds.
"""

import copy
from typing import Final

from deploy.simulator.calibration import calibrated
from deploy.simulator.committee import FORCED_RESTART_S, JOIN_S, RESTART_S, ROLLING_RESTART_S, Committee, Restarts
from deploy.simulator.component_metrics import Meter, Work
from deploy.simulator.faults import LOCAL_KINDS, Fault, FaultKind, Remedies
from deploy.simulator.noise import Noise
from deploy.simulator.policies import Application, PolicyBook
from deploy.simulator.records import COMMITTEE_KINDS, FOREIGN, ActionKind, Effect, LedgerEntry, Origin, Restart, Spec
from deploy.simulator.symptoms import Sight, symptoms
from deploy.simulator.topology import COMMITTEE, SERVICES
from deploy.simulator.traffic import Situation, flows, next_wait
from deploy.simulator.violation_detector import Watch, critical_rates

TICK_S: Final = 0.25
ADMISSION: Final = "admission"
"""The policy every request is checked by; it exists from the start and bad-policy breaks it."""
GOOD_RULES: Final = "strict-v1"
BROKEN_RULES: Final = "broken-v1"
UNDO_SUFFIX: Final = "-undo"


class Plant:
    """Components, committee, policies and faults, with a ledger of every effect of a client's change."""

    def __init__(self, start: float, seed: int = 0) -> None:
        self._start, self._seed, self._ticks = start, seed, 0
        self.now = start
        self.policies = PolicyBook()
        self.committee = Committee(start)
        self.restarts = Restarts()
        self.faults: list[Fault] = []
        self.ledger: list[LedgerEntry] = []
        self.watch = Watch()
        self.meters = {name: Meter(start) for name in self.components}
        self._frozen: dict[str, Meter] = {}
        self._noise: dict[str, Noise] = {}
        self.policies.apply(_admission(None, GOOD_RULES), FOREIGN, start)
        self.sight = Sight({}, {}, {})
        self._tick()

    @property
    def components(self) -> tuple[str, ...]:
        """Services and members, those who still join included."""
        return (*SERVICES, *self.committee.names)

    def advance(self, now: float) -> None:
        """Let the plant run to `now`; an earlier time than the last changes nothing."""
        while self._start + (self._ticks + 1) * TICK_S <= now:
            self._ticks += 1
            self.now = max(self.now, self._start + self._ticks * TICK_S)
            self._tick()
        self.now = max(self.now, now)

    def apply(self, spec: Spec, origin: Origin) -> Application:
        """Put a policy in force."""
        before = self.policies.knob(spec.name).generation
        application = self.policies.apply(spec, origin, self.now)
        self._policy_changed(application, Effect.APPLIED, before, origin)
        if spec.kind is ActionKind.ACTIVATE_EMERGENCY_OVERRIDE:
            for name in self.components if spec.component is None else (spec.component,):
                self._meter(name).add("emergency_override_total", 1.0, "remediation", "mape_k_executor")
        return application

    def undo(self, application: Application, origin: Origin) -> bool:
        """Take back an application; False if it was taken back before. Raises NotNewestError."""
        before = self.policies.knob(application.spec.name).generation
        undone = self.policies.undo(application, origin, self.now)
        if undone:
            self._policy_changed(application, Effect.ROLLED_BACK, before, origin)
        return undone

    def scale(self, replicas: int, origin: Origin) -> int:
        """Grow or shrink the committee; return the size before. Growing also replaces members that are dead."""
        size, before = len(self.committee.names), self.committee.generation
        dead = self.dead()
        if replicas > size:
            self.committee.grow(replicas, self.now)
            for name in self.committee.names:
                if name in dead:
                    self.restarts.enqueue(name, JOIN_S)
        elif replicas < size:
            self._dismiss(self.committee.shrink(replicas, self._stuck()))
        self.committee.move(origin, self.now)
        undone = (origin.key or "").endswith(UNDO_SUFFIX)
        grown = (replicas >= size) != undone
        kind = ActionKind.SCALE_UP if grown else ActionKind.SCALE_DOWN
        self._enter(Effect.ROLLED_BACK if undone else Effect.APPLIED, kind, before, origin)
        return size

    def restart(self, member: str | None, graceful: bool, origin: Origin) -> Restart | None:
        """Restart one component, or all members in turn, the sick first and the leader last; return the one before."""
        before, previous = self.committee.generation, self.committee.last_restart
        full = RESTART_S if graceful else FORCED_RESTART_S
        if member is not None:
            self.restarts.enqueue(member, full)
        else:
            sick, leader = self._sick(), self.committee.leader
            for name in sorted(self.committee.names, key=lambda name: (name == leader, name not in sick)):
                self.restarts.enqueue(name, full if name in sick else ROLLING_RESTART_S)
        self.committee.last_restart = Restart(self.committee.move(origin, self.now), member)
        self._enter(Effect.APPLIED, ActionKind.RESTART_SERVICE, before, origin)
        return previous

    def inject(self, kind: FaultKind, component: str, for_seconds: float | None = None) -> Fault:
        """Switch a fault on, in place of the same one if it is on; `for_seconds` None means until it is healed."""
        self.faults = [found for found in self.faults if (found.kind, found.component) != (kind, component)]
        until = None if for_seconds is None else self.now + for_seconds
        fault = calibrated(Fault(kind, component, self.now, until), self._situation())
        if kind is FaultKind.BAD_POLICY:
            self.faults = [found for found in self.faults if found.kind is not kind]
            self.policies.apply(_admission(component, BROKEN_RULES), FOREIGN, self.now)
        if kind is FaultKind.EXPORTER_LYING:
            self._frozen[component] = copy.deepcopy(self._meter(component))
        self.faults.append(fault)
        return fault

    def heal(self) -> None:
        """End all faults; policies and committee stay, but a broken `admission` is replaced by a good one."""
        for fault in list(self.faults):
            self._end(fault)

    def exports(self) -> dict[str, tuple[Meter, bool]]:
        """Return what each exporter shows, and whether it lies; a silent one and a member not joined are absent."""
        silent = {fault.component for fault in self.faults if fault.kind is FaultKind.EXPORTER_SILENT}
        lying = {fault.component for fault in self.faults if fault.kind is FaultKind.EXPORTER_LYING}
        shown = [name for name in (*SERVICES, *self.committee.joined(self.now)) if name not in silent]
        return {name: (self._frozen[name], True) if name in lying else (self._meter(name), False) for name in shown}

    def _tick(self) -> None:
        for fault in [found for found in self.faults if found.until is not None and found.until <= self.now]:
            self._end(fault)
        self._take_turns()
        situation = self._situation()
        self.committee.elect(situation.answering)
        work = flows(situation, 1.0 + 0.01 * self._noise_of(COMMITTEE).step())
        waits = {name: next_wait(self.sight.waits.get(name, 0.0), flow, TICK_S) for name, flow in work.items()}
        self.sight = Sight(work, waits, symptoms(situation, waits))
        self._record(situation)
        served = {name: flow.served for name, flow in work.items()}
        self.watch.look(self.now, self.dead(), critical_rates(self.sight.symptoms, served))

    def _record(self, situation: Situation) -> None:
        for name in (*SERVICES, *situation.members):
            meter, noise = self._meter(name), self._noise_of(name)
            jitter = 1.0 + 0.04 * noise.step()
            meter.set("audit_committee_size", len(situation.members))
            meter.set("emergency_override_active_count", situation.remedies.overrides(name))
            if name in self.sight.flows:
                validations = self.sight.flows[name].served * TICK_S * (1.0 + 0.03 * noise.step())
                wait, symptom = self.sight.waits[name], self.sight.symptoms[name]
                meter.record(Work(self.now, TICK_S, validations, wait, jitter, symptom))

    def _take_turns(self) -> None:
        back, gone = self.restarts.step(self.now)
        ended = (FaultKind.SLOW_NODE, FaultKind.DEAD_NODE)
        self.faults = [found for found in self.faults if not (found.component in back and found.kind in ended)]
        for fault in self.faults:
            fault.restarted |= fault.component in gone or (bool(gone) and fault.kind is FaultKind.RETRY_CASCADE)

    def _situation(self) -> Situation:
        members = self.committee.joined(self.now)
        out = self.restarts.out() | self.dead()
        answering = frozenset(name for name in (*SERVICES, *members) if name not in out)
        return Situation(Remedies(self.policies.active(), self.now), tuple(self.faults), members, answering)

    def dead(self) -> frozenset[str]:
        """Components that do not answer because of a fault."""
        return frozenset(fault.component for fault in self.faults if fault.kind is FaultKind.DEAD_NODE)

    def _sick(self) -> frozenset[str]:
        slow = (fault.component for fault in self.faults if fault.kind is FaultKind.SLOW_NODE)
        return self.dead() | frozenset(slow)

    def _stuck(self) -> frozenset[str]:
        # Who is in trouble cannot hand over its work, so it is dismissed last.
        return frozenset(fault.component for fault in self.faults if fault.kind in LOCAL_KINDS)

    def _dismiss(self, names: list[str]) -> None:
        for name in names:
            self.restarts.forget(name)
        self.faults = [fault for fault in self.faults if fault.component not in names or fault.kind not in LOCAL_KINDS]

    def _end(self, fault: Fault) -> None:
        self.faults.remove(fault)
        if fault.kind is FaultKind.BAD_POLICY:
            self.policies.apply(_admission(None, GOOD_RULES), FOREIGN, self.now)

    def _policy_changed(self, application: Application, effect: Effect, before: int, origin: Origin) -> None:
        spec = application.spec
        self._enter(effect, spec.kind, before, origin, application)
        if spec.name == ADMISSION:
            self._follow_admission()
        for name in self.components:
            self._meter(name).set("policy_last_load_timestamp", self.now)

    def _follow_admission(self) -> None:
        # An undo can bring the broken version back: then the fault is back as well.
        active = self.policies.knob(ADMISSION).active
        broken = active is not None and active.spec.parameters.get("ruleset") == BROKEN_RULES
        self.faults = [fault for fault in self.faults if broken or fault.kind is not FaultKind.BAD_POLICY]
        if broken and active and not any(fault.kind is FaultKind.BAD_POLICY for fault in self.faults):
            self.faults.append(Fault(FaultKind.BAD_POLICY, active.spec.component or SERVICES[0], self.now))

    def _enter(
        self, effect: Effect, kind: ActionKind, before: int, origin: Origin, policy: Application | None = None
    ) -> None:
        knob = COMMITTEE if kind in COMMITTEE_KINDS or policy is None else policy.spec.name
        after = self.committee.generation if policy is None else self.policies.knob(knob).generation
        policy_id = None if policy is None else policy.policy_id
        self.ledger.append(LedgerEntry(self.now, effect, kind, knob, policy_id, origin.key, before, after))

    def _meter(self, name: str) -> Meter:
        if name not in self.meters:
            self.meters[name] = Meter(self.now)
        return self.meters[name]

    def _noise_of(self, name: str) -> Noise:
        return self._noise.setdefault(name, Noise(self._seed, name))


def _admission(component: str | None, rules: str) -> Spec:
    return Spec(ADMISSION, ActionKind.APPLY_POLICY, component, {"ruleset": rules})
