"""People around the loop: they decide, stop, release, pause, and change Charter themselves."""

from random import Random

from activities.model.mode import Mode, ModeName
from activities.model.remediation import Approval, Resume
from deploy.simulator.records import FOREIGN, ActionKind, Spec
from deploy.simulator.topology import FIRST_MEMBERS
from tests.simulation.environment import World
from tests.simulation.workflow_run import Run

LOOP = "charter"


class People:
    """Act at random; at the end they tidy up."""

    def __init__(self, world: World, random: Random) -> None:
        self.world, self.random = world, random

    def act(self) -> None:
        """Do one of the things people do, or nothing."""
        drawn = self.random.random()
        running = self.remediations()
        if running and drawn < 0.35:
            self.meddle(self.random.choice(running))
        elif drawn < 0.38:
            self.write()
        elif drawn < 0.40:
            self.world.kill()

    def meddle(self, run: Run) -> None:
        """Decide upon a plan that waits, release a quarantine, or now and then stop, end or reset one."""
        phase, engine = run.attributes.get("MapekPhase", ""), self.world.engine
        plan = str(plan_of(run))
        if phase == "awaiting-approval" and self.random.random() < 0.7:
            approval = Approval(plan=plan, approve=self.random.random() < 0.7, who="ada", why="at random")
            engine.update(run.workflow_id, "decide", approval)
        elif phase == "quarantined" and self.random.random() < 0.5:
            engine.signal(run.workflow_id, "resume", Resume(who="ada", why="looked at it"))
        elif (drawn := self.random.random()) < 0.15:
            engine.cancel(run.workflow_id)
            self.world.counts["remediations stopped"] += 1
        elif drawn < 0.20:
            self.terminate(run)
        elif drawn < 0.25:
            self.reset(run)

    def terminate(self, run: Run) -> None:
        """End a remediation without asking it."""
        self.world.engine.terminate(run.workflow_id)
        self.world.counts["remediations terminated"] += 1

    def reset(self, run: Run) -> None:
        """Send a remediation back to one of its workflow tasks."""
        if run.told and self.world.engine.reset(run.workflow_id, self.random.randint(1, len(run.told))):
            self.world.counts["remediations reset"] += 1

    def write(self) -> None:
        """Change a knob past the loop."""
        plant = self.world.plant
        self.world.refresh()
        if self.random.random() < 0.6:
            size = len(plant.committee.names)
            plant.scale(max(4, min(9, size + self.random.choice((-1, 1)))), FOREIGN)
        else:
            plant.apply(Spec("admission", ActionKind.APPLY_POLICY, None, {"ruleset": "strict-v2"}), FOREIGN)
        self.world.charter.cache.clear()
        self.world.counts["foreign changes"] += 1

    async def set_mode(self, name: ModeName) -> None:
        """Pause or resume the loop."""
        mode = Mode(loop=LOOP, name=name, who="ada", why="at random", at=self.world.now, previous=ModeName.ACT)
        await self.world.store.guards.set_mode(mode)
        self.world.counts[f"mode {name}"] += 1

    async def tidy_up(self) -> None:
        """Approve nothing more, release every quarantine, let the loop act, bring the committee back to its size."""
        for run in self.remediations():
            phase = run.attributes.get("MapekPhase", "")
            if phase == "quarantined":
                self.world.engine.signal(run.workflow_id, "resume", Resume(who="ada", why="the day is over"))
            if phase == "awaiting-approval":
                no = Approval(plan=str(plan_of(run)), approve=False, who="ada", why="the day is over")
                self.world.engine.update(run.workflow_id, "decide", no)

    def shrink(self) -> None:
        """Bring the committee back to its first size and take every policy of the loop back, by hand."""
        plant = self.world.plant
        if len(plant.committee.names) > FIRST_MEMBERS + 3:
            plant.scale(FIRST_MEMBERS, FOREIGN)
            self.world.charter.cache.clear()

    def remediations(self) -> list[Run]:
        """Return the remediations that run."""
        return [run for run in self.world.engine.running.values() if run.type == "Remediation"]


def plan_of(run: Run) -> str:
    """Return the plan of a remediation; a child's argument is plain JSON."""
    argument = run.argument
    return str(argument["plan_id"] if isinstance(argument, dict) else argument.plan_id)
