"""All settings one loop decides by, composed of the rooms' sections."""

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
    """One loop: its names, what it watches and the sections that decide.

    `components` are the services that must always be visible; members of the committee are added as Charter names
    them. `simulator` is True for the embedded Charter: only then may a loop start in mode act by itself.
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
        """The mode before anybody set one: act on the simulator, observe on a Charter that matters."""
        if self.simulator:
            return Mode(loop=self.name, name=LoopMode.ACT, reason="the Charter is the simulator")
        why = "first mode on a Charter that is not the simulator; `mapek resume --mode act` is a person's decision"
        return Mode(loop=self.name, name=LoopMode.OBSERVE, reason=why)

    @property
    def initial_level(self) -> Level:
        """How far an action is trusted of which nothing is known: as set, else auto on the simulator, else shadow."""
        return self.knowledge.autonomy.start or (Level.AUTO if self.simulator else Level.SHADOW)

    @property
    def max_components(self) -> int:
        """About how many components there can be: those named, and as many members as the committee may have."""
        return len(self.components) + self.plan.max_replicas

    def decision_settings(self) -> dict[str, object]:
        """Return the sections a decision depends on as JSON values, without addresses and credentials."""
        dump = self.model_dump(mode="json", include={"monitor", "analyze", "plan", "knowledge"})
        dump["monitor"].pop("prometheus_url")
        dump["knowledge"] = {
            k: dump["knowledge"][k] for k in ("pattern_learning_enabled", "confidence_saturation_point")
        }
        return dump
