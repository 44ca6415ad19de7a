"""All settings of one loop, composed of the sections of the rooms."""

from activities.analyze.settings import AnalyzeSettings
from activities.execute.settings import ExecuteSettings
from activities.knowledge.settings import KnowledgeSettings
from activities.model.autonomy import Level
from activities.model.mode import LoopMode, Mode
from activities.model.topology import Topology
from activities.model.types import Settings
from activities.monitor.settings import MonitorSettings
from activities.plan.settings import PlanSettings


class LoopSettings(Settings):
    """The settings of one loop.

    `components` are the services that must always be visible; Charter adds the members of the committee. `simulator` is
    True for the embedded Charter; only then does a loop start in mode act.
    """

    name: str = "charter"
    charter: str = "charter"
    components: tuple[str, ...] = ("gateway", "policy-engine", "audit-log")
    topology: Topology = Topology(
        edges=(("gateway", "policy-engine"), ("policy-engine", "audit-log"), ("policy-engine", "committee"))
    )
    simulator: bool = False
    monitor: MonitorSettings = MonitorSettings()
    analyze: AnalyzeSettings = AnalyzeSettings()
    plan: PlanSettings = PlanSettings()
    execute: ExecuteSettings = ExecuteSettings()
    knowledge: KnowledgeSettings = KnowledgeSettings()

    @property
    def initial_mode(self) -> Mode:
        """The mode until an operator sets one: act on the simulator, observe on a real Charter."""
        if self.simulator:
            return Mode(loop=self.name, name=LoopMode.ACT, reason="the Charter is the simulator")
        change = f"change it with `mapek resume {self.name} --mode act`"
        reason = f"first mode on a Charter that is not the simulator; {change}"
        return Mode(loop=self.name, name=LoopMode.OBSERVE, reason=reason)

    @property
    def initial_level(self) -> Level:
        """The level of an action without outcomes: the configured one, else auto on the simulator, else shadow."""
        return self.knowledge.autonomy.start or (Level.AUTO if self.simulator else Level.SHADOW)

    @property
    def max_components(self) -> int:
        """Estimate of the maximum number of components: the configured ones plus the maximum committee size."""
        return len(self.components) + self.plan.max_replicas

    def decision_settings(self) -> dict[str, object]:
        """Return the sections that a decision depends on as JSON values, without addresses and credentials."""
        dump = self.model_dump(mode="json", include={"monitor", "analyze", "plan", "knowledge"})
        dump["monitor"].pop("prometheus_url")
        dump["knowledge"] = {
            k: dump["knowledge"][k] for k in ("pattern_learning_enabled", "confidence_saturation_point")
        }
        return dump
