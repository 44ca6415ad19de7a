"""Play a recording through `decide`, the very function of production, and tell what it would have done."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict

from activities.decision import decide
from activities.model.autonomy import Autonomy, Level
from activities.model.decision import Decision
from activities.model.diagnosis import Cause
from activities.model.guards import GuardState
from activities.model.mode import Mode, ModeName
from activities.model.snapshot import AnalysisInput, Snapshot
from activities.settings import LoopSettings
from worker.backtest.recording import Recording
from worker.backtest.recording_feed import Feed
from worker.backtest.simulated_guards import VirtualGuards


class Cycle(BaseModel):
    """One virtual cycle.

    `decision` is made as if nothing had ever been done: it acts if a plan passes every rule but the guard state.
    `executed` are the plans, as lines, that remain with cool-downs and the ladder in virtual time.
    """

    model_config = ConfigDict(frozen=True)

    at: float
    decision: Decision
    executed: tuple[str, ...] = ()

    def line(self) -> dict[str, Any]:
        """Return the cycle as one JSON object: times in unix seconds, confidences and probabilities 0 to 1."""
        diagnosis = self.decision.diagnosis
        return {
            "at": self.at,
            "violations": [
                {"component": v.component, "metric": v.metric, "severity": v.severity.value}
                for v in diagnosis.violations
            ],
            "patterns": [
                {
                    "kind": p.kind.value,
                    "confidence": p.confidence,
                    "components": list(p.components),
                    "features": [round(x, 4) for x in p.evidence.features],
                    "why": p.evidence.text,
                }
                for p in diagnosis.patterns
            ],
            "root_causes": [
                {"component": c.component, "confidence": c.confidence, "cause": c.cause.value, "why": c.why}
                for c in diagnosis.root_causes
                if c.cause is not Cause.UNKNOWN
            ],
            "acts": bool(self.decision.plans),
            "executed": list(self.executed),
            "predictions": [
                {
                    "component": o.component,
                    "metric": o.metric,
                    "within_seconds": o.within,
                    "probability": o.probability,
                }
                for o in diagnosis.outlooks
            ],
        }


def cycles(recording: Recording, settings: LoopSettings) -> Iterator[Cycle]:
    """Yield the cycle of every instant of the recording, oldest first, each from what was known by then."""
    feed, guards = Feed(recording.head, settings), VirtualGuards(recording.head.step_seconds)
    for instant in recording.instants():
        source = feed.take(instant)
        free = decide(_snapshot(source, settings, GuardState()), source, settings)
        state = guards.at(instant.at, bool(free.diagnosis.violations))
        plans = decide(_snapshot(source, settings, state), source, settings).plans if free.plans else ()
        for plan in plans:
            guards.executed(plan, instant.at)
        yield Cycle(at=instant.at, decision=free, executed=tuple(plan.headline for plan in plans))


def _snapshot(source: AnalysisInput, settings: LoopSettings, guards: GuardState) -> Snapshot:
    acting = Mode(loop=settings.name, name=ModeName.ACT, who="backtest", why="asks what would have been done")
    return Snapshot(
        at=source.at,
        loop=settings.name,
        charter=settings.charter,
        cycle_id=f"backtest-{source.at:.0f}",
        analysis="",
        guards=guards,
        mode=acting,
        autonomy=Autonomy(start=Level.AUTO),
    )
