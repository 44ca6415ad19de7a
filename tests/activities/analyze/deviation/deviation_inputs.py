"""Inputs in which components depart from their past."""

from activities.model.baseline import Usual
from activities.model.charter import Committee
from activities.model.grid_series import Series
from activities.model.rule import MetricRule
from activities.model.snapshot import AnalysisInput
from activities.model.topology import Topology
from activities.model.violation import Bad
from activities.monitor.adaptive import ENTER, LEAVE
from activities.monitor.builtin_rules import LIVENESS

STEP = 60.0
COUNT = 10
GRID = tuple(1_700_000_040.0 + STEP * i for i in range(COUNT))


def departing(deviations, edges=(), bad=Bad.ABOVE, step=STEP):
    """Return the input in which each (component, metric) ends with these deviations from a usual of 10 ± 1."""
    grid = tuple(GRID[-1] - step * back for back in reversed(range(COUNT)))
    lines = {
        key: tuple([10.0] * (COUNT - len(last)) + [None if one is None else 10.0 + one for one in last])
        for key, last in deviations.items()
    }
    metrics = sorted({metric for _, metric in deviations})
    components = sorted({component for component, _ in deviations})
    return AnalysisInput(
        at=grid[-1],
        step=step,
        max_age=2 * step,
        grid=grid,
        components=tuple(components),
        rules=tuple(MetricRule(metric=m, expr=m, enter=ENTER, leave=LEAVE, bad=bad, adaptive=True) for m in metrics),
        series=tuple(Series(component=c, metric=m, values=line) for (c, m), line in lines.items()),
        freshness=tuple(Series(component=c, metric=LIVENESS, values=(0.0,) * COUNT) for c in components),
        committee=Committee(replicas=5, healthy_nodes=5),
        topology=Topology(edges=tuple(edges)),
        usual=tuple(Usual(component=c, metric=m, centre=(10.0,) * COUNT, spread=(1.0,) * COUNT) for c, m in deviations),
    )
