"""Settings of Monitor."""

from pydantic import Field

from activities.model.types import PositiveDuration, Settings
from activities.model.violation import BreachSide, Severity


class MetricEntry(Settings):
    """One metric of the configuration, by its short name (with or without the `westworld_charter_` prefix).

    A built-in name changes that rule; any other name adds one. Omitted fields keep the built-in value. An added metric
    without a `threshold` is judged by its baseline.
    """

    name: str
    query: str | None = None
    """PromQL with one series per `node_or_service`; default: the built-in one, or the metric itself."""
    threshold: float | None = None
    """In the metric's unit; a value beyond it starts a violation."""
    clear_threshold: float | None = None
    """The violation ends at this value. Default: 10 % of the threshold on its good side, so that noise does not start
    and end violations."""
    breach: BreachSide | None = None
    severity: Severity | None = None
    unit: str = ""
    """Unit of a metric judged by its baseline: `seconds`, `percent`, `scaled 0..1` or empty. Unit and `kind` determine
    which change is too small to matter."""
    kind: str = ""
    """`latency`, `error_ratio`, `availability`, `traffic`, `saturation`, `count` or empty."""
    enabled: bool = True


class QueryEntry(Settings):
    """One critical query: PromQL `expression OP number`, with OP one of > >= < <=, one series per component."""

    name: str
    query: str
    severity: Severity = Severity.CRITICAL


class MonitorSettings(Settings):
    """The queries to Prometheus, and the age at which a sample becomes a blind spot."""

    prometheus_url: str = "http://127.0.0.1:9090"
    metrics: tuple[MetricEntry, ...] = ()
    """The 15 exported and the 4 recorded metrics are built in; entries here change or add to them."""
    queries: tuple[QueryEntry, ...] = (
        QueryEntry(name="high_validation_latency", query="westworld_charter_validation_latency_seconds > 1.0"),
        QueryEntry(name="high_failure_rate", query="westworld_charter_failure_rate > 0.10"),
        QueryEntry(name="low_throughput", query="westworld_charter_throughput_ops_per_sec < 100"),
    )
    scrape_interval: PositiveDuration = 15.0
    """Seconds between scrapes of Charter. They limit the age of a sample: `max_sample_age`."""
    rate_window: PositiveDuration = 60.0
    """Seconds: four scrapes, so that one failed scrape does not lose the rate."""
    timeout_seconds: PositiveDuration = Field(default=5.0, le=30.0)
    """Seconds for one query. A late answer is not used: the next cycle sends the query again."""
    adaptive_step: PositiveDuration = 60.0
    """Seconds between the samples from which adaptive limits are learned. 120 samples are two hours: long enough that a
    short incident does not become the baseline, short enough to follow the day."""
    adaptive_refresh: PositiveDuration = 300.0
    """Seconds between versions of the adaptive limits: two hours of past change little within them."""

    @property
    def max_sample_age(self) -> float:
        """Return the age in seconds above which a sample is a blind spot: two scrapes, so that one may fail."""
        return 2.0 * self.scrape_interval
