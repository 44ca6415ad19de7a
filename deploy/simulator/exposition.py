"""The metrics of all components as a Prometheus collector."""

import math
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from deploy.simulator.component_metrics import ComponentMetrics, Histogram
from deploy.simulator.metrics import COMPONENT_LABEL, METRIC_PREFIX, METRICS, MetricDefinition, MetricKind

ExporterReadings = Mapping[str, tuple[ComponentMetrics, bool]]
"""The metrics by component, and whether the exporter lies; then the sums of its histograms are NaN."""


class PlantCollector(Collector):
    """A collector that reads the exporters at each scrape."""

    def __init__(self, read_exporters: Callable[[], ExporterReadings]) -> None:
        self._read_exporters = read_exporters

    def collect(self) -> Iterator[Family]:
        """Yield one family for each of the fifteen metrics."""
        readings = self._read_exporters()
        for metric in METRICS:
            if metric.kind is MetricKind.HISTOGRAM:
                yield _build_histogram_family(metric, readings)
            else:
                yield _build_value_family(metric, readings)


def build_exposition(read_exporters: Callable[[], ExporterReadings]) -> Callable[[], bytes]:
    """Return a function that renders the metrics in the Prometheus text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(PlantCollector(read_exporters))
    return lambda: generate_latest(registry)


def _build_value_family(metric: MetricDefinition, readings: ExporterReadings) -> Family:
    is_counter = metric.kind is MetricKind.COUNTER
    labels = [*metric.labels, COMPONENT_LABEL]
    family_type = CounterMetricFamily if is_counter else GaugeMetricFamily
    family = family_type(METRIC_PREFIX + metric.name, metric.help_text, labels=labels)
    for component, (metrics, _) in readings.items():
        for series in metric.label_values:
            value = metrics.values[metric.name, series]
            family.add_metric([*series, component], math.floor(value) if is_counter else value)
    return family


def _build_histogram_family(metric: MetricDefinition, readings: ExporterReadings) -> Family:
    family = HistogramMetricFamily(METRIC_PREFIX + metric.name, metric.help_text, labels=[COMPONENT_LABEL])
    for component, (metrics, is_lying) in readings.items():
        histogram = metrics.histograms[metric.name]
        family.add_metric([component], _build_buckets(histogram), math.nan if is_lying else histogram.total)
    return family


def _build_buckets(histogram: Histogram) -> list[tuple[str, float]]:
    buckets = zip(histogram.bounds, histogram.cumulative_counts, strict=True)
    finite = [(repr(float(bound)), float(math.floor(value))) for bound, value in buckets]
    return [*finite, ("+Inf", float(math.floor(histogram.count)))]
