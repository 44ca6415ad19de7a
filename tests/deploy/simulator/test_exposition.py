"""The metrics in the Prometheus text format."""

import time

from prometheus_client.parser import text_string_to_metric_families

from deploy.simulator.exposition import build_exposition
from deploy.simulator.faults import FaultKind
from deploy.simulator.metrics import METRICS
from deploy.simulator.plant import Plant
from deploy.simulator.records import ChangeOrigin
from tests.deploy.simulator.metric_reader import PREFIX, parse_families, scrape_plant

EXPECTED_METRICS = {
    "violations_total",
    "forbidden_metric_attempts_total",
    "data_revocation_events_total",
    "audit_committee_notifications_total",
    "investigation_initiated_total",
    "emergency_override_total",
    "metric_validation_latency_ns",
    "policy_load_duration_ms",
    "violation_report_latency_ms",
    "committee_notification_latency_ms",
    "data_revocation_latency_ms",
    "violations_under_investigation",
    "audit_committee_size",
    "policy_last_load_timestamp",
    "emergency_override_active_count",
}


def test_text_parses_to_exactly_the_fifteen_metrics() -> None:
    """The text has the fifteen names with types and the collector's value of every sample."""
    plant = Plant(1000.0, 1)
    plant.advance(1010.0)
    families = list(text_string_to_metric_families(build_exposition(plant.read_exporters)().decode()))
    counters = {f"{family.name}_total" for family in families if family.type == "counter"}
    others = {family.name for family in families if family.type != "counter"}
    assert counters | others == {PREFIX + name for name in EXPECTED_METRICS}
    assert parse_families(plant.now, families).values == scrape_plant(plant).values


def test_every_series_exists_from_the_start() -> None:
    """New and faulty plants have the same series, so a rate includes the first increment."""
    new, faulty = Plant(0.0, 1), Plant(0.0, 1)
    for kind in (FaultKind.BAD_POLICY, FaultKind.RETRY_CASCADE, FaultKind.SLOW_NODE):
        faulty.inject_fault(kind, "validator-1")
    faulty.advance(20.0)
    assert scrape_plant(new).values.keys() == scrape_plant(faulty).values.keys()
    assert scrape_plant(new).list_components() == set(new.components)


def test_buckets_are_whole_and_cumulative() -> None:
    """Bucket counts are increasing integers, and the last one is the count."""
    plant = Plant(0.0, 2)
    plant.inject_fault(FaultKind.OVERLOAD, "gateway")
    plant.advance(7.3)
    scrape = scrape_plant(plant)
    for metric in METRICS:
        for component in plant.components if metric.bounds else ():
            counts = [count for _, count in scrape.list_buckets(metric.name, component)]
            assert counts == sorted(counts)
            assert all(count.is_integer() for count in counts)
            assert counts[-1] == scrape.sum_samples(f"{metric.name}_count", component)
            assert len(counts) == len(metric.bounds) + 1


def test_new_member_has_series_after_joining() -> None:
    """A joining member has no series, a joined one has, a removed one has none."""
    plant = Plant(0.0, 2)
    plant.scale(6, ChangeOrigin("k"))
    plant.advance(2.0)
    assert "validator-6" not in scrape_plant(plant).list_components()
    plant.advance(5.0)
    assert scrape_plant(plant).sum_samples("metric_validation_latency_ns_count", "validator-6") > 300
    plant.scale(5, ChangeOrigin("k-undo"))
    assert "validator-6" not in scrape_plant(plant).list_components()


def test_scrape_is_fast() -> None:
    """A scrape takes a few milliseconds; the limit allows for a busy machine."""
    render = build_exposition(Plant(0.0, 1).read_exporters)
    times = []
    for _ in range(10):
        started_at = time.perf_counter()
        render()
        times.append(time.perf_counter() - started_at)
    assert min(times) < 0.02
