"""For each alert: series at which it fires, and slightly different series at which it is silent.

Series are in the notation of promtool, with a scrape every 15 s: `a+bx60` grows by b a scrape for 15 minutes.
"""

from dataclasses import dataclass, field
from typing import Any

CHARTER_PREFIX = "westworld_charter_"
GATEWAY_SELECTOR = '{node_or_service="gateway"'
INITIAL_SERIES = {f"{CHARTER_PREFIX}metric_validation_latency_ns_count{GATEWAY_SELECTOR}}}": "0+150x400"}


@dataclass(frozen=True)
class AlertCase:
    """One alert: at time `at` it fires with `labels` on the series `fires`, and is silent on the series `silent`."""

    alert: str
    fires: dict[str, str]
    silent: dict[str, str]
    at: str = "15m"
    labels: dict[str, str] = field(default_factory=lambda: {"node_or_service": "gateway"})
    more_labels: tuple[dict[str, str], ...] = ()
    """Further series at which it fires."""


def make_counter_series(name: str, values: str, labels: str = "") -> dict[str, str]:
    """Return one series of Charter."""
    return {f"{CHARTER_PREFIX}{name}{GATEWAY_SELECTOR}{labels}}}": values}


def make_latency_series(name: str, below: str, between: str) -> dict[str, str]:
    """Return a histogram: observations grow by `between` in the highest finite bucket and by `below` under it."""
    low, high = below.split("@"), between.split("@")
    return {
        f'{CHARTER_PREFIX}{name}_bucket{GATEWAY_SELECTOR},le="{low[0]}"}}': f"0+{low[1]}x400",
        f'{CHARTER_PREFIX}{name}_bucket{GATEWAY_SELECTOR},le="{high[0]}"}}': f"0+{high[1]}x400",
        f'{CHARTER_PREFIX}{name}_bucket{GATEWAY_SELECTOR},le="+Inf"}}': f"0+{high[1]}x400",
    }


MODE_SERIES = 'mapek_mode{loop="charter",mode="%s"}'
LOOP_LABEL: Any = {"loop": "charter"}

CHARTER_ALERT_CASES = (
    AlertCase(
        "CriticalViolationDetected",
        fires=make_counter_series("violations_total", "0x20 1x400", ',severity="critical"'),
        silent=make_counter_series("violations_total", "0x20 1x400", ',severity="warning"'),
        at="7m",
        more_labels=(
            INITIAL_SERIES | make_counter_series("violations_total", "_x20 1x400", ',severity="CRITICAL"'),
            make_counter_series("violations_total", "0x20 1x400", ',severity="Critical"'),
        ),
    ),
    AlertCase(
        "CriticalViolationDetected",
        fires=INITIAL_SERIES | make_counter_series("violations_total", "_x40 1x400", ',severity="critical"'),
        silent=make_counter_series("violations_total", "3x400", ',severity="critical"') | INITIAL_SERIES,
        at="12m",
    ),
    AlertCase(
        "ForbiddenMetricSpike",
        fires=make_counter_series("forbidden_metric_attempts_total", "0+90x400", ',metric_name="a",status="blocked"')
        | make_counter_series("forbidden_metric_attempts_total", "0+90x400", ',metric_name="b",status="blocked"'),
        silent=make_counter_series("forbidden_metric_attempts_total", "0+140x400", ',metric_name="a",status="blocked"'),
    ),
    AlertCase(
        "ValidationLatencySLAViolation",
        fires=make_latency_series("metric_validation_latency_ns", "1e+06@90", "1e+07@100"),
        silent=make_latency_series("metric_validation_latency_ns", "1e+06@100", "1e+07@100"),
    ),
    AlertCase(
        "PolicyLoadFailure",
        fires=make_counter_series("policy_last_load_timestamp", "-86400x400"),  # the test begins at unix time 0
        silent=make_counter_series("policy_last_load_timestamp", "0x400"),
        at="65m",
    ),
    AlertCase(
        "EmergencyOverrideStayingActive",
        fires=make_counter_series("emergency_override_active_count", "1x400"),
        silent=make_counter_series("emergency_override_active_count", "1x100 0 1x400"),
        at="35m",
    ),
    AlertCase(
        "CommitteeOverloaded",
        fires=make_counter_series("violations_under_investigation", "6x400", ',severity="info"')
        | {f'{CHARTER_PREFIX}violations_under_investigation{{node_or_service="audit-log",severity="info"}}': "5x400"},
        silent=make_counter_series("violations_under_investigation", "10x400", ',severity="info"'),
        labels={"node_or_service": "committee"},
    ),
    AlertCase(
        "CommitteeNotificationLatencySLA",
        fires=make_latency_series("committee_notification_latency_ms", "500@90", "1000@100"),
        silent=make_latency_series("committee_notification_latency_ms", "500@100", "1000@100"),
    ),
    AlertCase(
        "DataRevocationSLAViolation",
        fires=make_latency_series("data_revocation_latency_ms", "1000@90", "5000@100"),
        silent=make_latency_series("data_revocation_latency_ms", "1000@100", "5000@100"),
    ),
    AlertCase(
        "PolicyLoadFrequencyAnomaly",
        fires=make_counter_series("policy_load_duration_ms_count", "0+0.1x400"),
        silent=make_counter_series("policy_load_duration_ms_count", "0+0.04x400"),
        at="90m",
    ),
    AlertCase(
        "HighViolationInvestigationRate",
        fires=make_counter_series("investigation_initiated_total", "0+80x400"),
        silent=make_counter_series("investigation_initiated_total", "0+70x400"),
    ),
    AlertCase(
        "UnusualDataRevocationActivity",
        fires=make_counter_series("data_revocation_events_total", "0+20x400"),
        silent=make_counter_series("data_revocation_events_total", "0+14x400"),
        at="90m",
    ),
)

MAPEK_ALERT_CASES = (
    AlertCase(
        "MapekNoCycle",
        fires={MODE_SERIES % "act": "1x60", 'mapek_cycles_total{loop="charter",outcome="healthy"}': "0+0.5x20 10x60"},
        silent={MODE_SERIES % "act": "1x60", 'mapek_cycles_total{loop="charter",outcome="healthy"}': "0+0.5x60"},
        at="9m",
        labels=LOOP_LABEL,
        more_labels=({MODE_SERIES % "observe": "1x60"},),
    ),
    AlertCase(
        "MapekNoCycle",
        fires={MODE_SERIES % "act": "1x60"},
        silent={MODE_SERIES % "stopped": "1x60", MODE_SERIES % "act": "0x60"},
        at="9m",
        labels=LOOP_LABEL,
    ),
    AlertCase(
        "MapekDown", fires={MODE_SERIES % "act": "1x10"}, silent={MODE_SERIES % "act": "1x60"}, at="12m", labels={}
    ),
    AlertCase(
        "MapekRollbackFailed",
        fires={'mapek_quarantined_knobs{loop="charter"}': "0x10 1x60"},
        silent={'mapek_quarantined_knobs{loop="charter"}': "0x60"},
        at="5m",
        labels=LOOP_LABEL,
        more_labels=(
            {'mapek_rollbacks_total{loop="charter",result="failed"}': "_x10 1x60"},
            {'mapek_rollbacks_total{loop="charter",result="failed"}': "1x10 2x60"},
        ),
    ),
    AlertCase(
        "MapekRollbackFailed",
        fires={'mapek_rollbacks_total{loop="charter",result="failed"}': "1x75 2x60"},
        silent={
            'mapek_rollbacks_total{loop="charter",result="failed"}': "2x120",
            'mapek_rollbacks_total{loop="charter",result="done"}': "0+1x120",
        },
        at="22m",
        labels=LOOP_LABEL,
    ),
    AlertCase(
        "MapekObserving",
        fires={MODE_SERIES % "observe": "1x400"},
        silent={MODE_SERIES % "observe": "1x200 0 1x400"},
        at="65m",
        labels=LOOP_LABEL,
    ),
    AlertCase(
        "MapekTicksLost",
        fires={'mapek_schedule_skipped_total{loop="charter"}': "3x30 4x60"},
        silent={'mapek_schedule_skipped_total{loop="charter"}': "3x60"},
        at="9m",
        labels=LOOP_LABEL,
        more_labels=({'mapek_schedule_missed_total{loop="charter"}': "0x30 2x60"},),
    ),
    AlertCase(
        "MapekWorkflowTaskFailures",
        fires={'temporal_workflow_task_execution_failed{task_queue="mapek"}': "_x30 1x60"},
        silent={'temporal_workflow_task_execution_failed{task_queue="mapek"}': "1x60"},
        at="9m",
        labels={"task_queue": "mapek"},
        more_labels=({'temporal_workflow_task_execution_failed{task_queue="mapek"}': "1x30 2x60"},),
    ),
    AlertCase(
        "MapekUntold",
        fires={'mapek_notifications_total{target="ops",result="failed"}': "1+1x60"},
        silent={
            'mapek_notifications_total{target="ops",result="failed"}': "1+1x60",
            'mapek_notifications_total{target="ops",result="sent"}': "0x20 1x60",
        },
        at="10m",
        labels={"target": "ops"},
    ),
    AlertCase(
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
