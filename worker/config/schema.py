"""The sections of the configuration for the process: servers, HTTP service, logs and loops.

The sections monitor, analyze, plan, execute, knowledge and notify are defined in their rooms.
"""

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import Field, NonNegativeInt, PositiveInt

from activities.model.identifiers import NAME_PATTERN
from activities.model.types import Duration, Settings, WholeDuration

LogLevel = Literal["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"]
Port = Annotated[int, Field(ge=0, le=65535)]
Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN.pattern}$", max_length=64)]


class OrchestratorSettings(Settings):
    """The process and the period of its cycles."""

    mode: Literal["staging", "production"] = "staging"
    """`production` refuses the simulator, a store in memory and `api.debug`."""
    loop_interval: Annotated[WholeDuration, Field(le=3600)] = 30
    """Time between cycles, in whole seconds: the period of the schedule."""
    enable_logging: bool = True
    """False: no log file; standard error still gets every line."""
    log_level: LogLevel | None = None
    """Level of the `mapek` loggers. Default: `logging.level`."""
    kill_switch_file: Path | None = None
    """While this file exists, no change is started at any Charter. Default: `kill-switch` in the state folder; `touch`
    creates it. `MAPEK_KILL_SWITCH` in the environment of the worker has the same effect."""


class AlertRoute(Settings):
    """The target of some alerts. The first matching route decides; an alert without one goes to the first loop."""

    alert: Annotated[str, Field(min_length=1, max_length=200)]
    """Pattern for the whole name of the alert, case-sensitive."""
    match: Literal["exact", "glob", "regex"] = "glob"
    severities: tuple[str, ...] = ()
    """Only alerts of these severities, in lower case; empty: of any severity."""
    to: Name = "ignore"
    """Name of a loop, or `ignore`: the alerts start nothing."""


class AlertmanagerSettings(Settings):
    """The Alertmanager whose alerts start cycles."""

    url: str = "http://127.0.0.1:9093"
    webhook_path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9/_.-]*$")] = "/webhooks/alerts"
    """Path on `api.port` that alerts are posted to."""
    enabled: bool = True
    """False: there is no webhook, and silences are not read from Alertmanager."""
    routes: tuple[AlertRoute, ...] = ()
    debounce_seconds: Annotated[Duration, Field(le=300.0)] = 5.0
    """Minimum time between two cycles that alerts start. The first alert starts a cycle immediately."""
    silences_required: bool = False
    """True: nothing is changed at Charter while Alertmanager does not answer, since there may be a silence."""


class ApiSettings(Settings):
    """The service with health, readiness, metrics and the webhook."""

    host: str = "127.0.0.1"
    """An address that is not loopback needs `view_token_file` or `webhook_token_file`."""
    port: Port = 8001
    """0: any free port."""
    debug: bool = False
    """True: answers contain tracebacks. Refused in production."""
    cors_enabled: bool = False
    """True: web pages of other origins may read the answers."""
    webhook_token_file: Path | None = None
    """File with the bearer token of role operate: it may post alerts, and read what role view reads.

    Clients with basic authentication send any user, and the token as password."""
    webhook_previous_token_file: Path | None = None
    """File with the previous token, which is accepted too while senders change to the new one."""
    view_token_file: Path | None = None
    """File with the bearer token of role view: it may read metrics and details on addresses that are not loopback, and
    cannot post alerts. For Prometheus."""
    allow_anonymous_alerts: bool = False
    """True: on loopback and without `webhook_token_file`, alerts are accepted from every process of this machine."""
    tls_cert_file: Path | None = None
    """Certificate of the service (PEM, with its chain). With it, the service speaks HTTPS only."""
    tls_key_file: Path | None = None
    tls_client_ca_file: Path | None = None
    """CA certificates for client certificates (mTLS), which every path then requires beside the token."""


class LoggingSettings(Settings):
    """The level, format and file of the log. Standard error always gets every line."""

    level: LogLevel = "INFO"
    format: Literal["json", "text"] = "json"
    file: Path | None = None
    """Default: none. Two workers must not rotate one file, and containers collect standard error."""
    max_bytes: PositiveInt = 10_485_760
    """Size in bytes at which the file is rotated."""
    backup_count: NonNegativeInt = 5
    """Rotated files that are kept; 0 truncates the file."""


class PerformanceSettings(Settings):
    """Limits of concurrency."""

    max_concurrent_analyses: PositiveInt = 10
    """Maximum concurrent activities of one worker, per task queue."""


class StagingSettings(Settings):
    """Options for staging."""

    use_mock_charter: bool = False
    """True: the Charter is the simulator, so a loop may start in mode act and use a store in memory."""
    simulate_failures: bool | Annotated[float, Field(ge=0.0, le=1.0)] = False
    """Share of calls that the embedded simulator answers with a failure; true is 0.05. Faults of the plant are separate
    and are switched on while it runs."""
    verbose_logging: bool = False
    """True: level DEBUG for all loggers."""
    collect_metrics: bool = True
    """False: no `GET /metrics`."""


class TemporalSettings(Settings):
    """The Temporal server. Certificates and API key come from `TEMPORAL_*` variables or the profile file."""

    address: str = "127.0.0.1:7233"
    namespace: str = "default"
    ui_url: str = "http://127.0.0.1:8233"
    encryption_key_file: Path | None = None
    """File of keys, one per line: `ID BASE64` with 32 bytes. All payloads and failures at Temporal are encrypted with
    the first key; every key decrypts. The Temporal UI decrypts through `/codec` of this service. Default: none, since a
    lost key makes histories unreadable."""
    deployment_name: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]*)?$", max_length=100)] = ""
    """Name of the worker deployment (`TEMPORAL_DEPLOYMENT_NAME`). With it, a cycle ends on the version it started on.
    Default: no versioning, since a version does nothing until an operator makes it current."""
    build_id: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$", max_length=100)] = ""
    """Version of the worker in the deployment (`TEMPORAL_WORKER_BUILD_ID`)."""
    retention_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    """Days that the namespace keeps histories; `mapek bootstrap` sets it. Default: unchanged, since a cluster may be
    shared. A namespace that bootstrap creates keeps histories for 7 days."""

    def workflow_url(self, workflow_id: str) -> str:
        """Return the URL of the latest run of a workflow in the Temporal UI."""
        path = f"namespaces/{quote(self.namespace, safe='')}/workflows/{quote(workflow_id, safe='')}"
        return f"{self.ui_url.rstrip('/')}/{path}"


class LinksSettings(Settings):
    """Links in the Temporal UI beside Prometheus. Empty: no link; `{loop}` is the name of the loop."""

    grafana: str = ""
    runbook: str = ""


class TopologyEntry(Settings):
    """The calls between components: pairs of caller and callee."""

    edges: tuple[tuple[str, str], ...] = ()


class LoopEntry(Settings):
    """One loop of the file. Its sections contain only keys that differ from the sections of the file."""

    name: Name = "charter"
    charter: Name = "charter"
    components: tuple[str, ...] | None = None
    topology: TopologyEntry | None = None
    simulator: bool | None = None
    """Default: `staging.use_mock_charter`."""
    monitor: dict[str, Any] = Field(default_factory=dict)
    analyze: dict[str, Any] = Field(default_factory=dict)
    plan: dict[str, Any] = Field(default_factory=dict)
    execute: dict[str, Any] = Field(default_factory=dict)
    knowledge: dict[str, Any] = Field(default_factory=dict)
