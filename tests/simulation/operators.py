"""Operators of the loop: they decide, stop, release and pause, and change Charter past the loop."""

from random import Random

from activities.model.identifiers import REMEDIATION_TYPES, SearchAttribute
from activities.model.mode import LoopMode, Mode
from activities.model.phase import Phase
from activities.model.remediation import Approval, ResumeRequest
from deploy.simulator.records import EXTERNAL_ORIGIN, ActionKind, PolicySpec
from deploy.simulator.topology import INITIAL_MEMBERS
from tests.simulation.environment import SimulatedEnvironment
from tests.simulation.workflow_run import WorkflowRun

LOOP_NAME = "charter"


class Operators:
    """Operators who act at random, and clean up at the end."""

    def __init__(self, environment: SimulatedEnvironment, random: Random) -> None:
        self.environment, self.random = environment, random

    def act_at_random(self) -> None:
        """Do one random act, or none."""
        drawn = self.random.random()
        running = self.list_remediations()
        if running and drawn < 0.35:
            self.act_on_run(self.random.choice(running))
        elif drawn < 0.38:
            self.change_knob()
        elif drawn < 0.40:
            self.environment.kill_worker()

    def act_on_run(self, run: WorkflowRun) -> None:
        """Decide on a plan awaiting approval, release a quarantine, or sometimes cancel, terminate or reset a run."""
        phase, engine = run.attributes.get(SearchAttribute.PHASE, ""), self.environment.engine
        plan = str(parse_plan_id(run))
        if phase == Phase.AWAITING_APPROVAL and self.random.random() < 0.7:
            approval = Approval(plan=plan, approve=self.random.random() < 0.7, actor="ada", reason="at random")
            engine.update(run.workflow_id, "decide", approval)
        elif phase == Phase.QUARANTINED and self.random.random() < 0.5:
            engine.signal(run.workflow_id, "resume", ResumeRequest(actor="ada", reason="checked"))
        elif (drawn := self.random.random()) < 0.15:
            engine.cancel(run.workflow_id)
            self.environment.counts["remediations stopped"] += 1
        elif drawn < 0.20:
            self.terminate_run(run)
        elif drawn < 0.25:
            self.reset_run(run)

    def terminate_run(self, run: WorkflowRun) -> None:
        """Terminate a remediation."""
        self.environment.engine.terminate(run.workflow_id)
        self.environment.counts["remediations terminated"] += 1

    def reset_run(self, run: WorkflowRun) -> None:
        """Reset a remediation to one of its workflow tasks."""
        if run.activations and self.environment.engine.reset(
            run.workflow_id, self.random.randint(1, len(run.activations))
        ):
            self.environment.counts["remediations reset"] += 1

    def change_knob(self) -> None:
        """Change a knob past the loop."""
        plant = self.environment.plant
        self.environment.advance_plant()
        if self.random.random() < 0.6:
            size = len(plant.committee.member_names)
            plant.scale(max(4, min(9, size + self.random.choice((-1, 1)))), EXTERNAL_ORIGIN)
        else:
            plant.apply_policy(
                PolicySpec("admission", ActionKind.APPLY_POLICY, None, {"ruleset": "strict-v2"}), EXTERNAL_ORIGIN
            )
        self.environment.charter.cache.clear()
        self.environment.counts["foreign changes"] += 1

    async def set_mode(self, name: LoopMode) -> None:
        """Pause or resume the loop."""
        mode = Mode(
            loop=LOOP_NAME, name=name, actor="ada", reason="at random", at=self.environment.now, previous=LoopMode.ACT
        )
        await self.environment.store.guards.set_mode(mode)
        self.environment.counts[f"mode {name}"] += 1

    async def clean_up(self) -> None:
        """Reject every plan awaiting approval, and release every quarantine."""
        for run in self.list_remediations():
            phase = run.attributes.get(SearchAttribute.PHASE, "")
            if phase == Phase.QUARANTINED:
                self.environment.engine.signal(
                    run.workflow_id, "resume", ResumeRequest(actor="ada", reason="the day is over")
                )
            if phase == Phase.AWAITING_APPROVAL:
                rejection = Approval(plan=str(parse_plan_id(run)), approve=False, actor="ada", reason="the day is over")
                self.environment.engine.update(run.workflow_id, "decide", rejection)

    def restore_committee(self) -> None:
        """Scale a committee that grew by more than three members back to its initial size, past the loop."""
        plant = self.environment.plant
        if len(plant.committee.member_names) > INITIAL_MEMBERS + 3:
            plant.scale(INITIAL_MEMBERS, EXTERNAL_ORIGIN)
            self.environment.charter.cache.clear()

    def list_remediations(self) -> list[WorkflowRun]:
        """Return the running remediations."""
        return [run for run in self.environment.engine.running.values() if run.type in REMEDIATION_TYPES]


def parse_plan_id(run: WorkflowRun) -> str:
    """Return the plan id of a remediation. A child's argument is plain JSON."""
    argument = run.argument
    return str(argument["plan_id"] if isinstance(argument, dict) else argument.plan_id)
