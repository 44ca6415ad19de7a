"""The sections of the configuration that are about the process: who runs the loops, where, and how it is seen.

The sections monitor, analyze, plan, execute and knowledge belong to their rooms.
"""

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import Field, NonNegativeInt, PositiveInt

from activities.model.types import Duration, Settings, WholeDuration

LogLevel = Literal["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"]
Port = Annotated[int, Field(ge=0, le=65535)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]


class OrchestratorSettings(Settings):
    """The loop as a whole."""

    mode: Literal["staging", "production"] = "staging"
    """`production` refuses what only a trial may do: the simulator, a store in memory, `api.debug`."""
    loop_interval: Annotated[WholeDuration, Field(le=3600)] = 30
    """Whole seconds between cycles: the schedule's period."""
    enable_logging: bool = True
    """False: no log file; standard error still gets every line."""
    log_level: LogLevel | None = None
    """Level of this project's own loggers. Default: `logging.level`."""
    kill_switch_file: Path | None = None
    """While it exists nothing new is done at any Charter. Default: `kill-switch` in the state folder, so that
    `touch` is all it takes; `MAPEK_KILL_SWITCH` in the environment of the worker does the same."""


class AlertRoute(Settings):
    """Which alerts go where. The first route that fits decides; what none fits goes to the first loop."""

    alert: Annotated[str, Field(min_length=1, max_length=200)]
    """What the alert's whole name has to match, upper and lower case told apart."""
    match: Literal["exact", "glob", "regex"] = "glob"
    severities: tuple[str, ...] = ()
    """Only alerts of these severities, in lower case; empty: of any."""
    to: Name = "ignore"
    """A loop by name, or `ignore`: such alerts start nothing."""


class AlertmanagerSettings(Settings):
    """The Alertmanager whose alerts start cycles."""

    url: str = "http://127.0.0.1:9093"
    webhook_path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9/_.-]*$")] = "/webhooks/alerts"
    """Where alerts are posted to, on `api.port`."""
    enabled: bool = True
    """False: the webhook does not exist, and Alertmanager is not asked for silences."""
    routes: tuple[AlertRoute, ...] = ()
    debounce_seconds: Annotated[Duration, Field(le=300.0)] = 5.0
    """The first alert starts a cycle at once; those that follow within so many seconds share the next one."""
    silences_required: bool = False
    """True: while Alertmanager does not answer nothing is changed at Charter, since a silence could not be seen."""


class ApiSettings(Settings):
    """The service with health, readiness, metrics and the webhook."""

    host: str = "127.0.0.1"
    """An address that is not loopback needs `view_token_file` or `webhook_token_file`."""
    port: Port = 8001
    """0: any free one."""
    debug: bool = False
    """True: tracebacks in answers. Never in production."""
    cors_enabled: bool = False
    """True: pages of other origins may read the answers."""
    webhook_token_file: Path | None = None
    """File with the bearer token of role operate: it posts alerts, and sees all that role view sees.

    Whoever can only send a user and a password sends any user with the token as password."""
    webhook_previous_token_file: Path | None = None
    """File with the token before this one, taken as well, while senders are changed over to the new one."""
    view_token_file: Path | None = None
    """File with the bearer token of role view: metrics and details on addresses that are not loopback, and nothing that
    starts or changes anything. For Prometheus, so that who scrapes cannot post alerts."""
    allow_anonymous_alerts: bool = False
    """True: on loopback, and without `webhook_token_file`, alerts are taken from anyone on this machine."""
    tls_cert_file: Path | None = None
    """Certificate (PEM, with its chain) the service shows; with it, everything is served by HTTPS alone."""
    tls_key_file: Path | None = None
    tls_client_ca_file: Path | None = None
    """Certificates of which one must have signed the caller's (mTLS), on every path, beside the token."""


class LoggingSettings(Settings):
    """Where log lines go and how they look. Standard error always gets them."""

    level: LogLevel = "INFO"
    format: Literal["json", "text"] = "json"
    file: Path | None = None
    """Default: none, because two workers must not rotate one file, and containers collect standard error."""
    max_bytes: PositiveInt = 10_485_760
    """Size at which the file is rotated."""
    backup_count: NonNegativeInt = 5
    """Rotated files kept; 0 starts the file over."""


class PerformanceSettings(Settings):
    """How much is done at once."""

    max_concurrent_analyses: PositiveInt = 10
    """Activities one worker runs at the same time, per task queue."""


class StagingSettings(Settings):
    """What a trial may do."""

    use_mock_charter: bool = False
    """True: the Charter is the simulator, so that a loop may start in mode act, with a store in memory."""
    simulate_failures: bool | Annotated[float, Field(ge=0.0, le=1.0)] = False
    """The share of calls that the embedded simulator answers badly; true is one in twenty. Faults of the plant are
    another thing: they are switched on while it runs."""
    verbose_logging: bool = False
    """True: level DEBUG everywhere."""
    collect_metrics: bool = True
    """False: no `GET /metrics`."""


class TemporalSettings(Settings):
    """The Temporal server. Certificates and keys come by the environment (`TEMPORAL_*`) or its profile file."""

    address: str = "127.0.0.1:7233"
    namespace: str = "default"
    ui_url: str = "http://127.0.0.1:8233"
    encryption_key_file: Path | None = None
    """File of keys (`ID BASE64` with 32 bytes, a line each): with it everything Temporal keeps for us is encrypted, by
    the first of them, failures too; all of them decrypt. Whoever has no such file can read nothing. The Temporal UI
    reads through `/codec` of this service. Default: none, since a lost key is a lost history."""
    deployment_name: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]*)?$", max_length=100)] = ""
    """Name of the worker deployment (`TEMPORAL_DEPLOYMENT_NAME`): with it a cycle ends on the code it began with.
    Default: none, since a version that nobody makes current does nothing at all."""
    build_id: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$", max_length=100)] = ""
    """The worker's version in that deployment (`TEMPORAL_WORKER_BUILD_ID`)."""
    retention_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    """Days the namespace keeps histories; `mapek bootstrap` sees to it. Default: whatever it was made with, since on a
    shared cluster that is not ours to decide; a namespace that bootstrap makes itself keeps them for 7 days."""

    def workflow_url(self, workflow_id: str) -> str:
        """Return where the Temporal UI shows the latest run of a workflow."""
        path = f"namespaces/{quote(self.namespace, safe='')}/workflows/{quote(workflow_id, safe='')}"
        return f"{self.ui_url.rstrip('/')}/{path}"


class LinksSettings(Settings):
    """Where the Temporal UI points people to, beside Prometheus. Empty: no such link; `{loop}` is the loop's name."""

    grafana: str = ""
    runbook: str = ""


class TopologyEntry(Settings):
    """Who calls whom: pairs of caller and callee."""

    edges: tuple[tuple[str, str], ...] = ()


class LoopEntry(Settings):
    """One loop of the file. The five sections hold only what differs from the sections of the whole file."""

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
