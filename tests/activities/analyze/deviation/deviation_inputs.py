"""Analysis inputs in which components deviate from their baseline."""

from collections.abc import Iterable, Mapping, Sequence

from activities.model.baseline import Baseline
from activities.model.charter import Committee
from activities.model.rule import MetricRule
from activities.model.snapshot import AnalysisInput
from activities.model.timeseries import Series
from activities.model.topology import Topology
from activities.model.types import MetricKey
from activities.model.violation import BreachSide
from activities.monitor.baseline import CLEAR_THRESHOLD_SPREADS, THRESHOLD_SPREADS
from activities.monitor.metric_names import LIVENESS_COUNTER

STEP_SECONDS = 60.0
INSTANT_COUNT = 10
GRID_INSTANTS = tuple(1_700_000_040.0 + STEP_SECONDS * i for i in range(INSTANT_COUNT))


def make_deviating_input(
    deviations: Mapping[MetricKey, Sequence[float | None]],
    edges: Iterable[tuple[str, str]] = (),
    breach: BreachSide = BreachSide.ABOVE,
    step: float = STEP_SECONDS,
) -> AnalysisInput:
    """Return the input in which each (component, metric) ends with these deviations from a baseline of 10 ± 1."""
    grid = tuple(GRID_INSTANTS[-1] - step * steps_back for steps_back in reversed(range(INSTANT_COUNT)))
    lines = {
        key: (
            *(10.0,) * (INSTANT_COUNT - len(latest)),
            *(None if deviation is None else 10.0 + deviation for deviation in latest),
        )
        for key, latest in deviations.items()
    }
    metrics = sorted({metric for _, metric in deviations})
    components = sorted({component for component, _ in deviations})
    return AnalysisInput(
        at=grid[-1],
        step=step,
        max_age=2 * step,
        grid=grid,
        components=tuple(components),
        rules=tuple(
            MetricRule(
                metric=m,
                expr=m,
                threshold=THRESHOLD_SPREADS,
                clear_threshold=CLEAR_THRESHOLD_SPREADS,
                breach=breach,
                adaptive=True,
            )
            for m in metrics
        ),
        series=tuple(Series(component=c, metric=m, values=line) for (c, m), line in lines.items()),
        freshness=tuple(
            Series(component=c, metric=LIVENESS_COUNTER, values=(0.0,) * INSTANT_COUNT) for c in components
        ),
        committee=Committee(replicas=5, healthy_nodes=5),
        topology=Topology(edges=tuple(edges)),
        baselines=tuple(
            Baseline(component=c, metric=m, centre=(10.0,) * INSTANT_COUNT, spread=(1.0,) * INSTANT_COUNT)
            for c, m in deviations
        ),
    )
