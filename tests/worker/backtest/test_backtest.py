"""Replaying a recording through the decisions of production."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.model.errors import ConfigurationError
from activities.model.types import DAY_SECONDS
from activities.settings import LoopSettings
from tests.worker.backtest.recordings import make_steady_values, write_recording, write_samples
from worker.backtest.html_report import RECORDING_CAVEAT, html_report
from worker.backtest.recording import Recording, find_recordings
from worker.backtest.replay import BacktestCycle, replay_cycles
from worker.backtest.simulated_guards import SimulatedGuards
from worker.backtest.summary import BacktestSummary

LOOP_SETTINGS = LoopSettings()


def replay_recording(folder: Path) -> tuple[list[BacktestCycle], list[str]]:
    """Return the cycles of a recording, and the notes on it."""
    recording = Recording(folder)
    return list(replay_cycles(recording, LOOP_SETTINGS)), recording.notes


def test_a_fault_is_diagnosed_and_acted_upon(tmp_path: Path) -> None:
    """A component whose latency leaves its baseline is the root cause from the third sample on, not before."""
    lines = {("shop", "p99"): [*make_steady_values(60), *[3.0] * 4], ("stock", "p99"): make_steady_values(64)}
    cycles, _ = replay_recording(write_recording(tmp_path, lines))
    lines_out = [cycle.to_json_object() for cycle in cycles]
    assert [line["acts"] for line in lines_out] == [False] * 62 + [True] * 2
    assert lines_out[62]["root_causes"][0]["component"] == "shop"
    assert lines_out[60]["violations"] == [{"component": "shop", "metric": "p99", "severity": "warning"}]
    assert {line["executed"] != [] for line in lines_out[:62]} == {False}


def test_decisions_use_past_samples_only(tmp_path: Path) -> None:
    """Later samples change no earlier decision."""
    calm, wild = make_steady_values(50), [*make_steady_values(45), *[9.0] * 5]
    early, _ = replay_recording(write_recording(tmp_path / "calm", {("shop", "p99"): calm}))
    late, _ = replay_recording(write_recording(tmp_path / "wild", {("shop", "p99"): wild}))
    assert [cycle.to_json_object() for cycle in early[:45]] == [cycle.to_json_object() for cycle in late[:45]]


def test_cool_down_and_ladder_apply_in_virtual_time(tmp_path: Path) -> None:
    """A persistent fault uses two rungs, then the incident is escalated."""
    cycles, _ = replay_recording(
        write_recording(tmp_path, {("shop", "p99"): [*make_steady_values(60), *[3.0, 3.5, 4.0] * 6]})
    )
    assert sum(bool(cycle.decision.plans) for cycle in cycles) > 3
    assert 1 <= sum(bool(cycle.executed) for cycle in cycles) <= 2


def test_budgets_count_executed_plans(tmp_path: Path) -> None:
    """An executed plan runs until its cool-down ends, and counts for the budgets for a day."""
    cycles, _ = replay_recording(write_recording(tmp_path, {("shop", "p99"): [*make_steady_values(60), *[3.0] * 4]}))
    plan = next(cycle.decision.plans[0] for cycle in cycles if cycle.executed)
    guards, cool_down = SimulatedGuards(60.0), plan.cool_downs.after_success
    guards.record_execution(plan, 1000.0)
    states = [
        guards.state_at(1000.0 + later, has_violations=False).recent_remediations
        for later in (cool_down - 1, cool_down, DAY_SECONDS - 1, DAY_SECONDS)
    ]
    ended_at = [[remediation.ended_at for remediation in remediations] for remediations in states]
    assert ended_at == [
        [None],
        [1000.0 + cool_down],
        [1000.0 + cool_down],
        [],
    ]


def test_a_configured_limit_takes_precedence(tmp_path: Path) -> None:
    """A metric with a configured rule is judged by that rule, even if its value is unusual."""
    lines = {("gateway", "failure_rate"): [*[0.01] * 40, *[0.08] * 5], ("gateway", "other"): make_steady_values(45)}
    cycles, _ = replay_recording(write_recording(tmp_path, lines))
    assert all(cycle.to_json_object()["violations"] == [] for cycle in cycles)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_invalid_samples_cause_no_error_and_no_plan(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Gaps, NaN, infinities, duplicates, disorder, vanishing components and invalid topologies are tolerated."""
    value = st.sampled_from(["1.0", "1.1", "NaN", "Inf", "-Inf", ""])
    row = st.tuples(st.integers(0, 90), st.sampled_from(["a", "b", "a->b", "->", "c"]), value)
    rows = data.draw(st.lists(row, max_size=80))
    folder = write_recording(
        tmp_path_factory.mktemp("bad"), {("a", "p99"): [1.0]}, topology=[("a", "a"), ("a", "x"), ("b", "a")]
    )
    write_samples(folder, [f"{1_700_000_040 + 60 * at},{component},p99,{text}" for at, component, text in rows])
    cycles, _ = replay_recording(folder)
    assert not any(cycle.decision.plans for cycle in cycles)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_series_cause_no_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A unit jump, a counter reset, a gap, NaN, or a component that vanishes or appears, in otherwise steady series.

    No plan acts on missing or unusable samples.
    """
    damage = data.draw(st.sampled_from(["unit", "reset", "gap", "nan", "vanish", "appear"]))
    at, factor = data.draw(st.integers(20, 70)), data.draw(st.sampled_from([1e-9, 1e-3, 1e3, 1e9]))
    calm = make_steady_values(80)
    damaged: dict[str, Sequence[float | str | None]] = {
        "unit": [*calm[:at], *[factor * x for x in calm[at:]]],
        "reset": [float(i % at) for i in range(80)],
        "gap": [*calm[:at], *[None] * 5, *calm[at + 5 :]][:80],
        "nan": [*calm[:at], *["NaN"] * (80 - at)],
        "vanish": calm[:at],
        "appear": [*[None] * at, *calm[at:]],
    }
    folder = write_recording(
        tmp_path_factory.mktemp("damaged"), {("shop", "p99"): damaged[damage], ("stock", "p99"): calm}
    )
    cycles, _ = replay_recording(folder)
    assert len(cycles) == 80
    if damage not in {"unit", "reset"}:
        assert not any(cycle.decision.plans for cycle in cycles)


def test_a_truncated_recording_is_replayed_as_far_as_possible(tmp_path: Path) -> None:
    """The readable part is replayed, and a note reports the truncation."""
    folder = write_recording(tmp_path, {("shop", "p99"): make_steady_values(400)})
    path = folder / "samples.csv.gz"
    path.write_bytes(path.read_bytes()[:-40])
    cycles, notes = replay_recording(folder)
    assert 0 < len(cycles) <= 400
    assert "is truncated after line" in notes[0]


def test_samples_out_of_order_are_dropped(tmp_path: Path) -> None:
    """A sample older than its predecessor is dropped and counted in a note."""
    folder = write_recording(tmp_path, {("shop", "p99"): make_steady_values(3)})
    write_samples(folder, ["1700000100,shop,p99,1", "1700000040,shop,p99,1", "1700000160,shop,p99,1"])
    cycles, notes = replay_recording(folder)
    assert len(cycles) == 2
    assert notes == ["dropped 1 samples that were out of order"]


@pytest.mark.parametrize("text", ["", "{", '{"name": "x"}', '{"name": "x", "step_seconds": 0, "start": 1, "end": 2}'])
def test_an_invalid_header_is_refused(tmp_path: Path, text: str) -> None:
    """The error names the file."""
    (tmp_path / "recording.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"recording\.json"):
        Recording(tmp_path)


def test_an_invalid_row_is_refused(tmp_path: Path) -> None:
    """The error names the line."""
    folder = write_recording(tmp_path, {("shop", "p99"): [1.0]})
    write_samples(folder, ["1700000040,shop,p99,1", "soon,shop,p99,1"])
    with pytest.raises(ConfigurationError, match="line 3"):
        replay_recording(folder)


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    """An empty folder is an error, not an empty result."""
    with pytest.raises(ConfigurationError, match=r"no recording\.json"):
        find_recordings(tmp_path)


def test_an_empty_recording_has_no_decisions(tmp_path: Path) -> None:
    """The summary says that there were no samples."""
    folder = write_recording(tmp_path, {})
    cycles, _ = replay_recording(folder)
    summary = BacktestSummary(Recording(folder).header)
    assert (cycles, summary.format_lines()) == ([], ["no samples, so no decisions"])


def test_the_report_escapes_names(tmp_path: Path) -> None:
    """Names of components are escaped, and the report has the caveat about recordings."""
    folder = write_recording(
        tmp_path, {("<b>shop</b>", "p99"): [*make_steady_values(60), *[3.0] * 4]}, name="<script>x</script>"
    )
    recording = Recording(folder)
    summary = BacktestSummary(recording.header)
    for cycle in replay_cycles(recording, LOOP_SETTINGS):
        summary.add(cycle)
    text = html_report([summary])
    assert summary.executed_count == 1
    assert RECORDING_CAVEAT in text
    assert "<script>" not in text
    assert "<b>shop" not in text
    assert "<svg" in text


def test_samples_are_read_as_a_stream(tmp_path: Path) -> None:
    """The first instant is available before the file is read to its end."""
    folder = write_recording(tmp_path, {("shop", "p99"): make_steady_values(5)})
    with gzip.open(folder / "samples.csv.gz", "at", encoding="utf-8") as file:
        file.write("broken\n")
    assert next(Recording(folder).instants()).at == 1_700_000_040


def test_topology_is_derived_from_call_metrics(tmp_path: Path) -> None:
    """Without a declared topology the names of call metrics give it, and the callee explains its caller."""
    slow = [*make_steady_values(60), *[3.0] * 4]
    lines = {("front", "p99"): slow, ("stock", "p99"): slow, ("front->stock", "p99"): slow}
    cycles, _ = replay_recording(write_recording(tmp_path, lines))
    causes = cycles[-1].to_json_object()["root_causes"]
    assert [cause["component"] for cause in causes] == ["stock", "front"]
