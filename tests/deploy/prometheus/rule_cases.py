"""For each alert: series at which it fires, and series right beside them at which it does not.

Series are promtool's: scraped every 15 s, `a+bx60` is 15 minutes of growth by b a scrape.
"""

from dataclasses import dataclass, field
from typing import Any

C = "westworld_charter_"
ON = '{node_or_service="gateway"'
BIRTH = {f"{C}metric_validation_latency_ns_count{ON}}}": "0+150x400"}


@dataclass(frozen=True)
class Case:
    """One alert: the series that make it fire and those that do not, at `at`, with the labels it then has."""

    alert: str
    fires: dict[str, str]
    silent: dict[str, str]
    at: str = "15m"
    labels: dict[str, str] = field(default_factory=lambda: {"node_or_service": "gateway"})
    again: tuple[dict[str, str], ...] = ()
    """Further series at which it fires."""


def counter(name: str, values: str, labels: str = "") -> dict[str, str]:
    """Return one series of Charter."""
    return {f"{C}{name}{ON}{labels}}}": values}


def latency(name: str, below: str, between: str) -> dict[str, str]:
    """Return a histogram: observations grow by `between` in the highest finite bucket and by `below` under it."""
    low, high = below.split("@"), between.split("@")
    return {
        f'{C}{name}_bucket{ON},le="{low[0]}"}}': f"0+{low[1]}x400",
        f'{C}{name}_bucket{ON},le="{high[0]}"}}': f"0+{high[1]}x400",
        f'{C}{name}_bucket{ON},le="+Inf"}}': f"0+{high[1]}x400",
    }


MODE = 'mapek_mode{loop="charter",mode="%s"}'
LOOP: Any = {"loop": "charter"}

CHARTER = (
    Case(
        "CriticalViolationDetected",
        fires=counter("violations_total", "0x20 1x400", ',severity="critical"'),
        silent=counter("violations_total", "0x20 1x400", ',severity="warning"'),
        at="7m",
        again=(
            BIRTH | counter("violations_total", "_x20 1x400", ',severity="CRITICAL"'),
            counter("violations_total", "0x20 1x400", ',severity="Critical"'),
        ),
    ),
    Case(
        "CriticalViolationDetected",
        fires=BIRTH | counter("violations_total", "_x40 1x400", ',severity="critical"'),
        silent=counter("violations_total", "3x400", ',severity="critical"') | BIRTH,
        at="12m",
    ),
    Case(
        "ForbiddenMetricSpike",
        fires=counter("forbidden_metric_attempts_total", "0+90x400", ',metric_name="a",status="blocked"')
        | counter("forbidden_metric_attempts_total", "0+90x400", ',metric_name="b",status="blocked"'),
        silent=counter("forbidden_metric_attempts_total", "0+140x400", ',metric_name="a",status="blocked"'),
    ),
    Case(
        "ValidationLatencySLAViolation",
        fires=latency("metric_validation_latency_ns", "1e+06@90", "1e+07@100"),
        silent=latency("metric_validation_latency_ns", "1e+06@100", "1e+07@100"),
    ),
    Case(
        "PolicyLoadFailure",
        fires=counter("policy_last_load_timestamp", "-86400x400"),  # the test begins at unix time 0
        silent=counter("policy_last_load_timestamp", "0x400"),
        at="65m",
    ),
    Case(
        "EmergencyOverrideStayingActive",
        fires=counter("emergency_override_active_count", "1x400"),
        silent=counter("emergency_override_active_count", "1x100 0 1x400"),
        at="35m",
    ),
    Case(
        "CommitteeOverloaded",
        fires=counter("violations_under_investigation", "6x400", ',severity="info"')
        | {f'{C}violations_under_investigation{{node_or_service="audit-log",severity="info"}}': "5x400"},
        silent=counter("violations_under_investigation", "10x400", ',severity="info"'),
        labels={"node_or_service": "committee"},
    ),
    Case(
        "CommitteeNotificationLatencySLA",
        fires=latency("committee_notification_latency_ms", "500@90", "1000@100"),
        silent=latency("committee_notification_latency_ms", "500@100", "1000@100"),
    ),
    Case(
        "DataRevocationSLAViolation",
        fires=latency("data_revocation_latency_ms", "1000@90", "5000@100"),
        silent=latency("data_revocation_latency_ms", "1000@100", "5000@100"),
    ),
    Case(
        "PolicyLoadFrequencyAnomaly",
        fires=counter("policy_load_duration_ms_count", "0+0.1x400"),
        silent=counter("policy_load_duration_ms_count", "0+0.04x400"),
        at="90m",
    ),
    Case(
        "HighViolationInvestigationRate",
        fires=counter("investigation_initiated_total", "0+80x400"),
        silent=counter("investigation_initiated_total", "0+70x400"),
    ),
    Case(
        "UnusualDataRevocationActivity",
        fires=counter("data_revocation_events_total", "0+20x400"),
        silent=counter("data_revocation_events_total", "0+14x400"),
        at="90m",
    ),
)

MAPEK = (
    Case(
        "MapekNoCycle",
        fires={MODE % "act": "1x60", 'mapek_cycles_total{loop="charter",outcome="healthy"}': "0+0.5x20 10x60"},
        silent={MODE % "act": "1x60", 'mapek_cycles_total{loop="charter",outcome="healthy"}': "0+0.5x60"},
        at="9m",
        labels=LOOP,
        again=({MODE % "observe": "1x60"},),
    ),
    Case(
        "MapekNoCycle",
        fires={MODE % "act": "1x60"},
        silent={MODE % "stopped": "1x60", MODE % "act": "0x60"},
        at="9m",
        labels=LOOP,
    ),
    Case("MapekDown", fires={MODE % "act": "1x10"}, silent={MODE % "act": "1x60"}, at="12m", labels={}),
    Case(
        "MapekRollbackFailed",
        fires={'mapek_quarantined_knobs{loop="charter"}': "0x10 1x60"},
        silent={'mapek_quarantined_knobs{loop="charter"}': "0x60"},
        at="5m",
        labels=LOOP,
        again=(
            {'mapek_rollbacks_total{loop="charter",result="failed"}': "_x10 1x60"},
            {'mapek_rollbacks_total{loop="charter",result="failed"}': "1x10 2x60"},
        ),
    ),
    Case(
        "MapekRollbackFailed",
        fires={'mapek_rollbacks_total{loop="charter",result="failed"}': "1x75 2x60"},
        silent={
            'mapek_rollbacks_total{loop="charter",result="failed"}': "2x120",
            'mapek_rollbacks_total{loop="charter",result="done"}': "0+1x120",
        },
        at="22m",
        labels=LOOP,
    ),
    Case(
        "MapekObserving",
        fires={MODE % "observe": "1x400"},
        silent={MODE % "observe": "1x200 0 1x400"},
        at="65m",
        labels=LOOP,
    ),
    Case(
        "MapekTicksLost",
        fires={'mapek_schedule_skipped_total{loop="charter"}': "3x30 4x60"},
        silent={'mapek_schedule_skipped_total{loop="charter"}': "3x60"},
        at="9m",
        labels=LOOP,
        again=({'mapek_schedule_missed_total{loop="charter"}': "0x30 2x60"},),
    ),
    Case(
        "MapekWorkflowTaskFailures",
        fires={'mapek_workflow_task_failures_total{task_queue="mapek"}': "_x30 1x60"},
        silent={'mapek_workflow_task_failures_total{task_queue="mapek"}': "1x60"},
        at="9m",
        labels={"task_queue": "mapek"},
        again=({'mapek_workflow_task_failures_total{task_queue="mapek"}': "1x30 2x60"},),
    ),
    Case(
        "MapekUntold",
        fires={'mapek_notifications_total{target="ops",result="failed"}': "1+1x60"},
        silent={
            'mapek_notifications_total{target="ops",result="failed"}': "1+1x60",
            'mapek_notifications_total{target="ops",result="sent"}': "0x20 1x60",
        },
        at="10m",
        labels={"target": "ops"},
    ),
    Case(
        "MapekConfigRefused",
        fires={'mapek_config_reloads_total{result="refused"}': "0x30 1x60"},
        silent={
            'mapek_config_reloads_total{result="refused"}': "1x60",
            'mapek_config_reloads_total{result="taken"}': "0x30 1x60",
        },
        at="9m",
        labels={"result": "refused"},
    ),
)
