"""From range data to the samples a verification judges."""

from collections.abc import Iterable
from itertools import takewhile

from activities.execute.verify.verification import EffectSample
from activities.model.grid_series import Series
from activities.model.snapshot import AnalysisInput
from activities.monitor.current_state import build_current_state
from activities.monitor.judgement import judge


def build_samples(analysis_input: AnalysisInput, instants: Iterable[float]) -> tuple[EffectSample, ...]:
    """Return a sample for each instant (unix seconds) that the input reaches: what was violated and blind there.

    An instant is judged on the grid's last one at or before it, by what was known then and nothing later.
    """
    within = [
        instant for instant in instants if analysis_input.grid[0] <= instant < analysis_input.at + analysis_input.step
    ]
    return tuple(build_sample(analysis_input, instant) for instant in within)


def build_sample(analysis_input: AnalysisInput, instant: float) -> EffectSample:
    """Return what was violated and what was blind at one instant."""
    truncated = truncate_at(analysis_input, instant)
    state = build_current_state(truncated, judge(truncated))
    return EffectSample(at=instant, violated=state.violated, blind=state.blind)


def truncate_at(analysis_input: AnalysisInput, instant: float) -> AnalysisInput:
    """Return the input as it was at `instant` (unix seconds): later samples are cut off."""
    kept = len(list(takewhile(lambda at: at <= instant, analysis_input.grid)))

    def cut(series: Iterable[Series]) -> tuple[Series, ...]:
        return tuple(Series(component=line.component, metric=line.metric, values=line.values[:kept]) for line in series)

    return analysis_input.model_copy(
        update={
            "at": analysis_input.grid[kept - 1],
            "grid": analysis_input.grid[:kept],
            "series": cut(analysis_input.series),
            "freshness": cut(analysis_input.freshness),
            "baselines": tuple(
                one.model_copy(update={"centre": one.centre[:kept], "spread": one.spread[:kept]})
                for one in analysis_input.baselines
            ),
        }
    )
