"""The metrics a worker shows, from the registry itself."""

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from deploy.tools.reference.table import markdown_code, markdown_page, markdown_table
from worker.observability.metrics import Metrics


def build_metrics_page() -> str:
    """Return the page of all metrics with kind, labels and meaning."""
    found = Metrics(CollectorRegistry()).by_name.values()
    return markdown_page(
        "Metrics",
        "What `GET /metrics` of a worker shows. Seconds are seconds, times are unix seconds.",
        markdown_table(("Metric", "Kind", "Labels", "Meaning"), sorted(build_metric_row(metric) for metric in found)),
    )


def build_metric_row(metric: MetricWrapperBase) -> tuple[str, str, str, str]:
    """Return the row of one metric, named as Prometheus shows it."""
    # The library tells name and labels of a metric without series in no public way.
    name, labels, kind = metric._name, metric._labelnames, metric._type
    shown = f"{name}_total" if kind == "counter" else name
    return markdown_code(shown), str(kind), ", ".join(markdown_code(label) for label in labels), metric._documentation
