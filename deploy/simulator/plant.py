"""The simulated Charter system.

It is pure: time and seed are arguments. It advances by fixed ticks, so the result does not depend on the frequency of
requests. All times are unix seconds.
"""

import copy
from typing import Final

from deploy.simulator.calibration import calibrate_fault
from deploy.simulator.committee import (
    FORCED_RESTART_SECONDS,
    JOIN_SECONDS,
    RESTART_SECONDS,
    ROLLING_RESTART_SECONDS,
    Committee,
    RestartQueue,
)
from deploy.simulator.component_metrics import ComponentMetrics, Noise, TickWork
from deploy.simulator.faults import LOCAL_FAULT_KINDS, Fault, FaultKind, PoliciesInForce
from deploy.simulator.policies import PolicyApplication, PolicyRegistry
from deploy.simulator.records import (
    COMMITTEE_ACTION_KINDS,
    EXTERNAL_ORIGIN,
    ActionKind,
    ChangeOrigin,
    EffectDirection,
    LedgerEntry,
    PolicySpec,
    Restart,
)
from deploy.simulator.symptoms import PlantState, compute_symptoms
from deploy.simulator.topology import COMMITTEE, SERVICES
from deploy.simulator.traffic import LoadState, compute_flows, compute_next_wait
from deploy.simulator.violation_detector import ViolationDetector, compute_critical_rates

TICK_SECONDS: Final = 0.25
ADMISSION_POLICY: Final = "admission"
"""The policy that checks every request; it exists from the start, and the fault bad-policy breaks it."""
GOOD_RULESET: Final = "strict-v1"
BROKEN_RULESET: Final = "broken-v1"
UNDO_KEY_SUFFIX: Final = "-undo"


class Plant:
    """Components, committee, policies, faults, and a ledger of all effects of clients' changes."""

    def __init__(self, started_at: float, seed: int = 0) -> None:
        self._start, self._seed, self._ticks = started_at, seed, 0
        self.now = started_at
        self.policies = PolicyRegistry()
        self.committee = Committee(started_at)
        self.restart_queue = RestartQueue()
        self.faults: list[Fault] = []
        self.ledger: list[LedgerEntry] = []
        self.violation_detector = ViolationDetector()
        self.component_metrics = {name: ComponentMetrics(started_at) for name in self.components}
        self._frozen: dict[str, ComponentMetrics] = {}
        self._noise: dict[str, Noise] = {}
        self.policies.apply(_build_admission_spec(None, GOOD_RULESET), EXTERNAL_ORIGIN, started_at)
        self.state = PlantState({}, {}, {})
        self._tick()

    @property
    def components(self) -> tuple[str, ...]:
        """Services and members, including joining ones."""
        return (*SERVICES, *self.committee.member_names)

    def advance(self, now: float) -> None:
        """Advance to `now`; an earlier time than the last one is ignored."""
        while self._start + (self._ticks + 1) * TICK_SECONDS <= now:
            self._ticks += 1
            self.now = max(self.now, self._start + self._ticks * TICK_SECONDS)
            self._tick()
        self.now = max(self.now, now)

    def apply_policy(self, spec: PolicySpec, origin: ChangeOrigin) -> PolicyApplication:
        """Apply a policy."""
        before = self.policies.knob(spec.name).generation
        application = self.policies.apply(spec, origin, self.now)
        self._record_policy_change(application, EffectDirection.APPLIED, before, origin)
        if spec.kind is ActionKind.ACTIVATE_EMERGENCY_OVERRIDE:
            for name in self.components if spec.component is None else (spec.component,):
                self._metrics_of(name).increment("emergency_override_total", 1.0, "remediation", "mape_k_executor")
        return application

    def undo_policy(self, application: PolicyApplication, origin: ChangeOrigin) -> bool:
        """Undo an application; return False if it was undone before. Raises NotNewestError."""
        before = self.policies.knob(application.spec.name).generation
        undone = self.policies.undo(application, origin, self.now)
        if undone:
            self._record_policy_change(application, EffectDirection.ROLLED_BACK, before, origin)
        return undone

    def scale(self, replicas: int, origin: ChangeOrigin) -> int:
        """Scale the committee and return its previous size. Growing also restarts dead members."""
        size, before = len(self.committee.member_names), self.committee.generation
        dead = self.dead_components()
        if replicas > size:
            self.committee.grow(replicas, self.now)
            for name in self.committee.member_names:
                if name in dead:
                    self.restart_queue.enqueue(name, JOIN_SECONDS)
        elif replicas < size:
            self._remove_members(self.committee.shrink(replicas, self._undrainable_components()))
        self.committee.record_change(origin, self.now)
        is_undo = (origin.key or "").endswith(UNDO_KEY_SUFFIX)
        is_scale_up = (replicas >= size) != is_undo
        kind = ActionKind.SCALE_UP if is_scale_up else ActionKind.SCALE_DOWN
        self._record_effect(EffectDirection.ROLLED_BACK if is_undo else EffectDirection.APPLIED, kind, before, origin)
        return size

    def restart(self, member: str | None, graceful: bool, origin: ChangeOrigin) -> Restart | None:
        """Restart one component, or all members (unhealthy ones first, the leader last).

        Returns:
            The previous restart.
        """
        before, previous = self.committee.generation, self.committee.last_restart
        full = RESTART_SECONDS if graceful else FORCED_RESTART_SECONDS
        if member is not None:
            self.restart_queue.enqueue(member, full)
        else:
            unhealthy, leader = self._unhealthy_components(), self.committee.leader
            for name in sorted(self.committee.member_names, key=lambda name: (name == leader, name not in unhealthy)):
                self.restart_queue.enqueue(name, full if name in unhealthy else ROLLING_RESTART_SECONDS)
        self.committee.last_restart = Restart(self.committee.record_change(origin, self.now), member)
        self._record_effect(EffectDirection.APPLIED, ActionKind.RESTART_SERVICE, before, origin)
        return previous

    def inject_fault(self, kind: FaultKind, component: str, for_seconds: float | None = None) -> Fault:
        """Inject a fault; it replaces the same fault. `for_seconds` None means until it is healed."""
        self.faults = [other for other in self.faults if (other.kind, other.component) != (kind, component)]
        until = None if for_seconds is None else self.now + for_seconds
        fault = calibrate_fault(Fault(kind, component, self.now, until), self._build_load_state())
        if kind is FaultKind.BAD_POLICY:
            self.faults = [other for other in self.faults if other.kind is not kind]
            self.policies.apply(_build_admission_spec(component, BROKEN_RULESET), EXTERNAL_ORIGIN, self.now)
        if kind is FaultKind.EXPORTER_LYING:
            self._frozen[component] = copy.deepcopy(self._metrics_of(component))
        self.faults.append(fault)
        return fault

    def clear_faults(self) -> None:
        """Clear all faults. Policies and committee stay; a good `admission` policy replaces a broken one."""
        for fault in list(self.faults):
            self._end_fault(fault)

    def read_exporters(self) -> dict[str, tuple[ComponentMetrics, bool]]:
        """Return each exporter's metrics and whether it lies; silent exporters and joining members are absent."""
        silent = {fault.component for fault in self.faults if fault.kind is FaultKind.EXPORTER_SILENT}
        lying = {fault.component for fault in self.faults if fault.kind is FaultKind.EXPORTER_LYING}
        visible = [name for name in (*SERVICES, *self.committee.joined_members(self.now)) if name not in silent]
        return {
            name: (self._frozen[name], True) if name in lying else (self._metrics_of(name), False) for name in visible
        }

    def _tick(self) -> None:
        for fault in [fault for fault in self.faults if fault.until is not None and fault.until <= self.now]:
            self._end_fault(fault)
        self._advance_restarts()
        load_state = self._build_load_state()
        self.committee.elect_leader(load_state.responding)
        flows = compute_flows(load_state, 1.0 + 0.01 * self._noise_of(COMMITTEE).step())
        waits = {
            name: compute_next_wait(self.state.waits.get(name, 0.0), flow, TICK_SECONDS) for name, flow in flows.items()
        }
        self.state = PlantState(flows, waits, compute_symptoms(load_state, waits))
        self._record_metrics(load_state)
        throughput = {name: flow.throughput for name, flow in flows.items()}
        self.violation_detector.evaluate(
            self.now, self.dead_components(), compute_critical_rates(self.state.symptoms, throughput)
        )

    def _record_metrics(self, load_state: LoadState) -> None:
        for name in (*SERVICES, *load_state.members):
            metrics, noise = self._metrics_of(name), self._noise_of(name)
            jitter = 1.0 + 0.04 * noise.step()
            metrics.set_gauge("audit_committee_size", len(load_state.members))
            metrics.set_gauge("emergency_override_active_count", load_state.policies_in_force.count_overrides(name))
            if name in self.state.flows:
                validations = self.state.flows[name].throughput * TICK_SECONDS * (1.0 + 0.03 * noise.step())
                wait, symptom = self.state.waits[name], self.state.symptoms[name]
                metrics.record(TickWork(self.now, TICK_SECONDS, validations, wait, jitter, symptom))

    def _advance_restarts(self) -> None:
        restored, stopped = self.restart_queue.advance(self.now)
        healed_kinds = (FaultKind.SLOW_NODE, FaultKind.DEAD_NODE)
        self.faults = [
            fault for fault in self.faults if not (fault.component in restored and fault.kind in healed_kinds)
        ]
        for fault in self.faults:
            fault.restarted |= fault.component in stopped or (bool(stopped) and fault.kind is FaultKind.RETRY_CASCADE)

    def _build_load_state(self) -> LoadState:
        members = self.committee.joined_members(self.now)
        down = self.restart_queue.components_down() | self.dead_components()
        responding = frozenset(name for name in (*SERVICES, *members) if name not in down)
        return LoadState(
            PoliciesInForce(self.policies.list_active(), self.now), tuple(self.faults), members, responding
        )

    def dead_components(self) -> frozenset[str]:
        """Return the components with the fault dead-node."""
        return frozenset(fault.component for fault in self.faults if fault.kind is FaultKind.DEAD_NODE)

    def _unhealthy_components(self) -> frozenset[str]:
        slow = (fault.component for fault in self.faults if fault.kind is FaultKind.SLOW_NODE)
        return self.dead_components() | frozenset(slow)

    def _undrainable_components(self) -> frozenset[str]:
        # A component with a fault cannot hand over its work, so it is removed last.
        return frozenset(fault.component for fault in self.faults if fault.kind in LOCAL_FAULT_KINDS)

    def _remove_members(self, names: list[str]) -> None:
        for name in names:
            self.restart_queue.remove(name)
        self.faults = [
            fault for fault in self.faults if fault.component not in names or fault.kind not in LOCAL_FAULT_KINDS
        ]

    def _end_fault(self, fault: Fault) -> None:
        self.faults.remove(fault)
        if fault.kind is FaultKind.BAD_POLICY:
            self.policies.apply(_build_admission_spec(None, GOOD_RULESET), EXTERNAL_ORIGIN, self.now)

    def _record_policy_change(
        self, application: PolicyApplication, effect: EffectDirection, generation_before: int, origin: ChangeOrigin
    ) -> None:
        spec = application.spec
        self._record_effect(effect, spec.kind, generation_before, origin, application)
        if spec.name == ADMISSION_POLICY:
            self._sync_admission_fault()
        for name in self.components:
            self._metrics_of(name).set_gauge("policy_last_load_timestamp", self.now)

    def _sync_admission_fault(self) -> None:
        # An undo can restore the broken policy; then the fault returns.
        active = self.policies.knob(ADMISSION_POLICY).active
        broken = active is not None and active.spec.parameters.get("ruleset") == BROKEN_RULESET
        self.faults = [fault for fault in self.faults if broken or fault.kind is not FaultKind.BAD_POLICY]
        if broken and active and not any(fault.kind is FaultKind.BAD_POLICY for fault in self.faults):
            self.faults.append(Fault(FaultKind.BAD_POLICY, active.spec.component or SERVICES[0], self.now))

    def _record_effect(
        self,
        effect: EffectDirection,
        kind: ActionKind,
        generation_before: int,
        origin: ChangeOrigin,
        application: PolicyApplication | None = None,
    ) -> None:
        knob = COMMITTEE if kind in COMMITTEE_ACTION_KINDS or application is None else application.spec.name
        after = self.committee.generation if application is None else self.policies.knob(knob).generation
        policy_id = None if application is None else application.policy_id
        self.ledger.append(LedgerEntry(self.now, effect, kind, knob, policy_id, origin.key, generation_before, after))

    def _metrics_of(self, name: str) -> ComponentMetrics:
        if name not in self.component_metrics:
            self.component_metrics[name] = ComponentMetrics(self.now)
        return self.component_metrics[name]

    def _noise_of(self, name: str) -> Noise:
        return self._noise.setdefault(name, Noise(self._seed, name))


def _build_admission_spec(component: str | None, ruleset: str) -> PolicySpec:
    return PolicySpec(ADMISSION_POLICY, ActionKind.APPLY_POLICY, component, {"ruleset": ruleset})
