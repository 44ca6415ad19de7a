"""Settings of Monitor."""

from pydantic import Field

from activities.model.types import PositiveDuration, Settings
from activities.model.violation import BreachSide, Severity


class MetricEntry(Settings):
    """One metric of the configuration, by its short name (with or without the `westworld_charter_` prefix).

    A name of the built-in list changes that rule; any other name adds one. Fields left out keep the built-in value. An
    added metric without a `threshold` is judged by its own past.
    """

    name: str
    query: str | None = None
    """PromQL with one series per `node_or_service`; default: the built-in one, or the metric itself."""
    threshold: float | None = None
    """A value beyond it starts a violation, in the metric's unit."""
    clear_threshold: float | None = None
    """The violation ends at this value. Default: 10 % of the threshold on its good side, so that noise around the
    limit does not flap."""
    breach: BreachSide | None = None
    severity: Severity | None = None
    unit: str = ""
    """Of a metric judged by its own past: `seconds`, `percent`, `scaled 0..1` or empty. With `kind` it tells which
    change is too small to matter."""
    kind: str = ""
    """`latency`, `error_ratio`, `availability`, `traffic`, `saturation`, `count` or empty."""
    enabled: bool = True


class QueryEntry(Settings):
    """One critical query: PromQL `expression OP number`, with OP one of > >= < <=, one series per component."""

    name: str
    query: str
    severity: Severity = Severity.CRITICAL


class MonitorSettings(Settings):
    """What is read from Prometheus, and when a sample is believed."""

    prometheus_url: str = "http://127.0.0.1:9090"
    metrics: tuple[MetricEntry, ...] = ()
    """The 15 exported and the 4 recorded metrics are built in; entries here change or add to them."""
    queries: tuple[QueryEntry, ...] = (
        QueryEntry(name="high_validation_latency", query="westworld_charter_validation_latency_seconds > 1.0"),
        QueryEntry(name="high_failure_rate", query="westworld_charter_failure_rate > 0.10"),
        QueryEntry(name="low_throughput", query="westworld_charter_throughput_ops_per_sec < 100"),
    )
    scrape_interval: PositiveDuration = 15.0
    """Seconds between scrapes of Charter. A sample older than two of them is a blind spot."""
    rate_window: PositiveDuration = 60.0
    """Seconds; four scrapes, so that a rate survives one failed scrape."""
    timeout_seconds: PositiveDuration = Field(default=5.0, le=30.0)
    """Seconds for one query: a stale answer is worth less than none."""
    adaptive_step: PositiveDuration = 60.0
    """Seconds between the samples adaptive limits are learned from. 120 of them are two hours: long enough that a short
    incident does not become usual, short enough to follow the day."""
    adaptive_refresh: PositiveDuration = 300.0
    """Seconds between versions of the adaptive limits: within them no two hours of past change noticeably."""
