"""Replay a recording through `decide`, the same function as in production."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict

from activities.decision import decide
from activities.model.autonomy import Autonomy, Level
from activities.model.decision import Decision
from activities.model.diagnosis import Cause
from activities.model.guard_state import GuardState
from activities.model.mode import LoopMode, Mode
from activities.model.plan import Plan
from activities.model.snapshot import AnalysisInput, Snapshot
from activities.settings import LoopSettings
from worker.backtest.forecast import Forecast
from worker.backtest.recording import Recording
from worker.backtest.recording_feed import RecordingFeed
from worker.backtest.simulated_guards import SimulatedGuards


class BacktestCycle(BaseModel):
    """One virtual cycle.

    `decision` assumes that no plan was ever executed: it acts if a plan passes every rule except the guard state.
    `executed` are the headlines of the plans that remain with cool-downs and the ladder in virtual time.
    """

    model_config = ConfigDict(frozen=True)

    at: float
    decision: Decision
    executed: tuple[str, ...] = ()
    forecasts: tuple[Forecast, ...] = ()

    def to_json_object(self) -> dict[str, Any]:
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
                    "why": p.evidence.summary,
                }
                for p in diagnosis.patterns
            ],
            "root_causes": [
                {"component": c.component, "confidence": c.confidence, "cause": c.cause.value, "why": c.reason}
                for c in diagnosis.root_causes
                if c.cause is not Cause.UNKNOWN
            ],
            "acts": bool(self.decision.plans),
            "executed": list(self.executed),
            "predictions": [
                {
                    "component": o.component,
                    "metric": o.metric,
                    "within_seconds": o.horizon_seconds,
                    "probability": o.probability,
                }
                for o in self.forecasts
            ],
        }


def replay_cycles(recording: Recording, settings: LoopSettings) -> Iterator[BacktestCycle]:
    """Yield the cycle of every instant of the recording, oldest first, each from past samples only."""
    feed, guards = RecordingFeed(recording.header, settings), SimulatedGuards(recording.header.step_seconds)
    for instant in recording.instants():
        analysis_input = feed.advance(instant)
        unguarded = decide(_build_snapshot(analysis_input, settings, GuardState()), analysis_input, settings)
        state = guards.state_at(instant.at, bool(unguarded.diagnosis.violations))
        plans: tuple[Plan, ...] = ()
        if unguarded.plans:
            plans = decide(_build_snapshot(analysis_input, settings, state), analysis_input, settings).plans
        for plan in plans:
            guards.record_execution(plan, instant.at)
        yield BacktestCycle(
            at=instant.at,
            decision=unguarded,
            executed=tuple(plan.headline for plan in plans),
            forecasts=feed.forecasts,
        )


def _build_snapshot(analysis_input: AnalysisInput, settings: LoopSettings, guards: GuardState) -> Snapshot:
    mode = Mode(loop=settings.name, name=LoopMode.ACT, actor="backtest", reason="backtest")
    return Snapshot(
        at=analysis_input.at,
        loop=settings.name,
        charter=settings.charter,
        cycle_id=f"backtest-{analysis_input.at:.0f}",
        analysis="",
        guards=guards,
        mode=mode,
        autonomy=Autonomy(start=Level.AUTO),
    )
