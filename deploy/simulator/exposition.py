"""The metrics as a Prometheus collector: every component's meter, under the fifteen names."""

import math
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from deploy.simulator.component_metrics import ComponentMetrics, Histogram
from deploy.simulator.metrics import COMPONENT_LABEL, METRIC_PREFIX, METRICS, MetricDefinition, MetricKind

ExporterReadings = Mapping[str, tuple[ComponentMetrics, bool]]
"""What each exporter shows by component, and whether it lies: then the sums of its histograms are NaN."""


class PlantCollector(Collector):
    """Reads the meters at each scrape."""

    def __init__(self, read_exporters: Callable[[], ExporterReadings]) -> None:
        self._exports = read_exporters

    def collect(self) -> Iterator[Family]:
        """Yield one family for each of the fifteen metrics."""
        shown = self._exports()
        for metric in METRICS:
            if metric.kind is MetricKind.HISTOGRAM:
                yield _build_histogram_family(metric, shown)
            else:
                yield _build_value_family(metric, shown)


def build_exposition(read_exporters: Callable[[], ExporterReadings]) -> Callable[[], bytes]:
    """Return a function that renders the metrics in the Prometheus text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(PlantCollector(read_exporters))
    return lambda: generate_latest(registry)


def _build_value_family(metric: MetricDefinition, readings: ExporterReadings) -> Family:
    counts = metric.kind is MetricKind.COUNTER
    labels = [*metric.labels, COMPONENT_LABEL]
    family_type = CounterMetricFamily if counts else GaugeMetricFamily
    family = family_type(METRIC_PREFIX + metric.name, metric.help_text, labels=labels)
    for component, (meter, _) in readings.items():
        for series in metric.label_values:
            value = meter.values[metric.name, series]
            family.add_metric([*series, component], math.floor(value) if counts else value)
    return family


def _build_histogram_family(metric: MetricDefinition, readings: ExporterReadings) -> Family:
    family = HistogramMetricFamily(METRIC_PREFIX + metric.name, metric.help_text, labels=[COMPONENT_LABEL])
    for component, (meter, lying) in readings.items():
        histogram = meter.histograms[metric.name]
        family.add_metric([component], _build_buckets(histogram), math.nan if lying else histogram.total)
    return family


def _build_buckets(histogram: Histogram) -> list[tuple[str, float]]:
    counted = zip(histogram.bounds, histogram.cumulative_counts, strict=True)
    finite = [(repr(float(bound)), float(math.floor(value))) for bound, value in counted]
    return [*finite, ("+Inf", float(math.floor(histogram.count)))]
