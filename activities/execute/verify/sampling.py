"""From range data to the samples a verification judges."""

from collections.abc import Iterable
from itertools import takewhile

from activities.execute.verify.verification import EffectSample
from activities.model.grid_series import Series
from activities.model.snapshot import AnalysisInput
from activities.monitor.judgement import judge


def samples_of(source: AnalysisInput, instants: Iterable[float]) -> tuple[EffectSample, ...]:
    """Return a sample for each instant (unix seconds) that the input reaches: what was violated and blind there.

    An instant is judged on the grid's last one at or before it, by what was known then and nothing later.
    """
    within = [instant for instant in instants if source.grid[0] <= instant < source.at + source.step]
    return tuple(sample_at(source, instant) for instant in within)


def sample_at(source: AnalysisInput, instant: float) -> EffectSample:
    """Return what was violated and what was blind at one instant."""
    judged = judge(up_to(source, instant))
    return EffectSample(
        at=instant,
        violated=frozenset(violation.key for violation in judged.violations),
        blind=frozenset(spot.component for spot in judged.blind),
    )


def up_to(source: AnalysisInput, instant: float) -> AnalysisInput:
    """Return the input as it was at `instant` (unix seconds): later samples are cut off."""
    kept = len(list(takewhile(lambda at: at <= instant, source.grid)))

    def cut(series: Iterable[Series]) -> tuple[Series, ...]:
        return tuple(Series(component=line.component, metric=line.metric, values=line.values[:kept]) for line in series)

    return source.model_copy(
        update={
            "at": source.grid[kept - 1],
            "grid": source.grid[:kept],
            "series": cut(source.series),
            "freshness": cut(source.freshness),
            "usual": tuple(
                one.model_copy(update={"centre": one.centre[:kept], "spread": one.spread[:kept]})
                for one in source.usual
            ),
        }
    )
