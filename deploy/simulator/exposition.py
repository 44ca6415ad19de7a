"""The metrics as a Prometheus collector: every component's meter, under the fifteen names."""

import math
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from deploy.simulator.component_metrics import Histogram, Meter
from deploy.simulator.metrics import COMPONENT_LABEL, METRICS, PREFIX, Metric, MetricKind

Exports = Mapping[str, tuple[Meter, bool]]
"""What each exporter shows by component, and whether it lies: then the sums of its histograms are NaN."""


class PlantCollector(Collector):
    """Reads the meters at each scrape."""

    def __init__(self, exports: Callable[[], Exports]) -> None:
        self._exports = exports

    def collect(self) -> Iterator[Family]:
        """Yield one family for each of the fifteen metrics."""
        shown = self._exports()
        for metric in METRICS:
            if metric.kind is MetricKind.HISTOGRAM:
                yield _histogram_family(metric, shown)
            else:
                yield _value_family(metric, shown)


def exposition(exports: Callable[[], Exports]) -> Callable[[], bytes]:
    """Return a function that renders the metrics in the Prometheus text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(PlantCollector(exports))
    return lambda: generate_latest(registry)


def _value_family(metric: Metric, shown: Exports) -> Family:
    counts = metric.kind is MetricKind.COUNTER
    labels = [*metric.labels, COMPONENT_LABEL]
    family_type = CounterMetricFamily if counts else GaugeMetricFamily
    family = family_type(PREFIX + metric.name, metric.text, labels=labels)
    for component, (meter, _) in shown.items():
        for series in metric.series:
            value = meter.values[metric.name, series]
            family.add_metric([*series, component], math.floor(value) if counts else value)
    return family


def _histogram_family(metric: Metric, shown: Exports) -> Family:
    family = HistogramMetricFamily(PREFIX + metric.name, metric.text, labels=[COMPONENT_LABEL])
    for component, (meter, lying) in shown.items():
        histogram = meter.histograms[metric.name]
        family.add_metric([component], _buckets(histogram), math.nan if lying else histogram.total)
    return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    counted = zip(histogram.bounds, histogram.at_most, strict=True)
    finite = [(repr(float(bound)), float(math.floor(value))) for bound, value in counted]
    return [*finite, ("+Inf", float(math.floor(histogram.count)))]
