"""The reference page of the metrics, from the registry."""

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics import MetricWrapperBase

from deploy.tools.reference.table import markdown_code, markdown_page, markdown_table
from worker.observability.metrics import Metrics, SdkCounter


def build_metrics_page() -> str:
    """Return the page of all metrics: kind, labels, meaning."""
    metrics = Metrics(CollectorRegistry()).by_name.values()
    return markdown_page(
        "Metrics",
        "`GET /metrics` of a worker. Times are unix seconds. `temporal_*` keep names and units of the Temporal SDK.",
        markdown_table(("Metric", "Kind", "Labels", "Meaning"), sorted(build_metric_row(metric) for metric in metrics)),
    )


def build_metric_row(metric: MetricWrapperBase) -> tuple[str, str, str, str]:
    """Return the row of one metric, with its name in Prometheus."""
    # The library has no public way to read name and labels of a metric without series.
    name, labels = metric._name, metric._labelnames
    kind = "counter" if isinstance(metric, SdkCounter) else str(metric._type)
    shown = f"{name}_total" if isinstance(metric, Counter) else name
    return markdown_code(shown), kind, ", ".join(markdown_code(label) for label in labels), metric._documentation
