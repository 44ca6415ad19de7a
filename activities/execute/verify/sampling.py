"""The samples of a verification, from range data."""

from collections.abc import Iterable
from itertools import takewhile

from activities.execute.verify.verification import EffectSample
from activities.model.snapshot import AnalysisInput
from activities.model.timeseries import Series
from activities.monitor.current_state import build_current_state
from activities.monitor.judgement import judge


def build_samples(analysis_input: AnalysisInput, instants: Iterable[float]) -> tuple[EffectSample, ...]:
    """Return a sample for each instant (unix seconds) that the input covers.

    Each is judged at the last grid instant at or before it, without any later data.
    """
    start, end = analysis_input.grid[0], analysis_input.at + analysis_input.step
    return tuple(build_sample(analysis_input, instant) for instant in instants if start <= instant < end)


def build_sample(analysis_input: AnalysisInput, instant: float) -> EffectSample:
    """Return the sample of one instant (unix seconds)."""
    truncated = truncate_at(analysis_input, instant)
    state = build_current_state(truncated, judge(truncated))
    return EffectSample(at=instant, violated=state.violated, blind=state.blind)


def truncate_at(analysis_input: AnalysisInput, instant: float) -> AnalysisInput:
    """Return the input as of `instant` (unix seconds), without later samples."""
    count = len(list(takewhile(lambda at: at <= instant, analysis_input.grid)))

    def cut(series: Iterable[Series]) -> tuple[Series, ...]:
        return tuple(Series(component=s.component, metric=s.metric, values=s.values[:count]) for s in series)

    return analysis_input.model_copy(
        update={
            "at": analysis_input.grid[count - 1],
            "grid": analysis_input.grid[:count],
            "series": cut(analysis_input.series),
            "freshness": cut(analysis_input.freshness),
            "baselines": tuple(
                baseline.model_copy(update={"centre": baseline.centre[:count], "spread": baseline.spread[:count]})
                for baseline in analysis_input.baselines
            ),
        }
    )
