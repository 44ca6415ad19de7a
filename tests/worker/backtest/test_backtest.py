"""Playing a recording through the decisions of production."""

import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.model.errors import ConfigurationError
from activities.model.types import DAY_SECONDS
from activities.settings import LoopSettings
from tests.worker.backtest.recordings import make_steady_values, write_recording, write_samples
from worker.backtest.html_report import RECORDING_CAVEAT, html_report
from worker.backtest.recording import Recording, find_recordings
from worker.backtest.replay import replay_cycles
from worker.backtest.simulated_guards import SimulatedGuards
from worker.backtest.summary import BacktestSummary

LOOP_SETTINGS = LoopSettings()


def replay_recording(folder):
    """Return the cycles of a recording, and what was noted of it."""
    recording = Recording(folder)
    return list(replay_cycles(recording, LOOP_SETTINGS)), recording.notes


def test_a_fault_is_named_and_acted_upon(tmp_path):
    """The component whose latency leaves its past is blamed from its third sample on, never before."""
    lines = {("shop", "p99"): [*make_steady_values(60), *[3.0] * 4], ("stock", "p99"): make_steady_values(64)}
    found, _ = replay_recording(write_recording(tmp_path, lines))
    lines_out = [cycle.to_json_object() for cycle in found]
    assert [line["acts"] for line in lines_out] == [False] * 62 + [True] * 2
    assert lines_out[62]["root_causes"][0]["component"] == "shop"
    assert lines_out[60]["violations"] == [{"component": "shop", "metric": "p99", "severity": "warning"}]
    assert {line["executed"] != [] for line in lines_out[:62]} == {False}


def test_only_the_past_is_known(tmp_path):
    """What comes later changes no decision before it."""
    calm, wild = make_steady_values(50), [*make_steady_values(45), *[9.0] * 5]
    early, _ = replay_recording(write_recording(tmp_path / "calm", {("shop", "p99"): calm}))
    late, _ = replay_recording(write_recording(tmp_path / "wild", {("shop", "p99"): wild}))
    assert [cycle.to_json_object() for cycle in early[:45]] == [cycle.to_json_object() for cycle in late[:45]]


def test_a_lasting_fault_is_not_acted_upon_again_and_again(tmp_path):
    """Cool-down and ladder hold in virtual time: two rungs, then it is a person's."""
    found, _ = replay_recording(
        write_recording(tmp_path, {("shop", "p99"): [*make_steady_values(60), *[3.0, 3.5, 4.0] * 6]})
    )
    assert sum(bool(cycle.decision.plans) for cycle in found) > 3
    assert 1 <= sum(bool(cycle.executed) for cycle in found) <= 2


def test_the_budgets_see_what_was_executed(tmp_path):
    """An executed plan runs until its rest is over, and is held against the next ones for a day."""
    found, _ = replay_recording(write_recording(tmp_path, {("shop", "p99"): [*make_steady_values(60), *[3.0] * 4]}))
    plan = next(cycle.decision.plans[0] for cycle in found if cycle.executed)
    guards, rest = SimulatedGuards(60.0), plan.cool_downs.after_success
    guards.record_execution(plan, 1000.0)
    states = [
        guards.state_at(1000.0 + later, has_violations=False).recent_remediations
        for later in (rest - 1, rest, DAY_SECONDS - 1, DAY_SECONDS)
    ]
    assert [[one.ended_at for one in past] for past in states] == [[None], [1000.0 + rest], [1000.0 + rest], []]


def test_a_hand_set_limit_wins(tmp_path):
    """A metric with a rule of its own is judged by that, however unusual its value is."""
    lines = {("gateway", "failure_rate"): [*[0.01] * 40, *[0.08] * 5], ("gateway", "other"): make_steady_values(45)}
    found, _ = replay_recording(write_recording(tmp_path, lines))
    assert all(cycle.to_json_object()["violations"] == [] for cycle in found)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_bad_data_never_crashes_and_never_acts_on_doubt(tmp_path_factory, data):
    """Gaps, NaN, infinities, doubles, disorder, vanishing components and odd topologies end in an answer."""
    value = st.sampled_from(["1.0", "1.1", "NaN", "Inf", "-Inf", ""])
    row = st.tuples(st.integers(0, 90), st.sampled_from(["a", "b", "a->b", "->", "c"]), value)
    rows = data.draw(st.lists(row, max_size=80))
    folder = write_recording(
        tmp_path_factory.mktemp("bad"), {("a", "p99"): [1.0]}, topology=[("a", "a"), ("a", "x"), ("b", "a")]
    )
    write_samples(folder, [f"{1_700_000_040 + 60 * at},{component},p99,{told}" for at, component, told in rows])
    found, _ = replay_recording(folder)
    assert not any(cycle.decision.plans for cycle in found)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_spoilt_series_never_crash_and_doubt_is_never_acted_upon(tmp_path_factory, data):
    """A unit jump, a counter reset, a gap, NaN or a component that vanishes or appears, in otherwise steady series.

    What vanished or cannot be read is never what a plan is for.
    """
    spoil = data.draw(st.sampled_from(["unit", "reset", "gap", "nan", "vanish", "appear"]))
    at, factor = data.draw(st.integers(20, 70)), data.draw(st.sampled_from([1e-9, 1e-3, 1e3, 1e9]))
    calm = make_steady_values(80)
    hit = {
        "unit": [*calm[:at], *[factor * x for x in calm[at:]]],
        "reset": [float(i % at) for i in range(80)],
        "gap": [*calm[:at], *[None] * 5, *calm[at + 5 :]][:80],
        "nan": [*calm[:at], *["NaN"] * (80 - at)],
        "vanish": calm[:at],
        "appear": [*[None] * at, *calm[at:]],
    }[spoil]
    folder = write_recording(tmp_path_factory.mktemp("spoilt"), {("shop", "p99"): hit, ("stock", "p99"): calm})
    found, _ = replay_recording(folder)
    assert len(found) == 80
    if spoil not in {"unit", "reset"}:
        assert not any(cycle.decision.plans for cycle in found)


def test_a_truncated_recording_ends_where_it_breaks_off(tmp_path):
    """What can be read is played, and the rest is said."""
    folder = write_recording(tmp_path, {("shop", "p99"): make_steady_values(400)})
    path = folder / "samples.csv.gz"
    path.write_bytes(path.read_bytes()[:-40])
    found, notes = replay_recording(folder)
    assert 0 < len(found) <= 400
    assert "breaks off after line" in notes[0]


def test_disorder_is_counted(tmp_path):
    """A sample older than what was seen is left out, and that is said."""
    folder = write_recording(tmp_path, {("shop", "p99"): make_steady_values(3)})
    write_samples(folder, ["1700000100,shop,p99,1", "1700000040,shop,p99,1", "1700000160,shop,p99,1"])
    found, notes = replay_recording(folder)
    assert len(found) == 2
    assert notes == ["1 samples came out of order and were left out"]


@pytest.mark.parametrize("text", ["", "{", '{"name": "x"}', '{"name": "x", "step_seconds": 0, "start": 1, "end": 2}'])
def test_a_wrong_head_is_refused_with_its_place(tmp_path, text):
    """The file and the field are named."""
    (tmp_path / "recording.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"recording\.json"):
        Recording(tmp_path)


def test_a_wrong_row_is_refused_with_its_line(tmp_path):
    """The line is named."""
    folder = write_recording(tmp_path, {("shop", "p99"): [1.0]})
    write_samples(folder, ["1700000040,shop,p99,1", "soon,shop,p99,1"])
    with pytest.raises(ConfigurationError, match="line 3"):
        replay_recording(folder)


def test_a_folder_without_recordings_is_refused(tmp_path):
    """Nothing to play is a mistake, not an empty success."""
    with pytest.raises(ConfigurationError, match=r"no recording\.json"):
        find_recordings(tmp_path)


def test_an_empty_recording_says_so(tmp_path):
    """No samples, no decisions, and a sentence."""
    folder = write_recording(tmp_path, {})
    found, _ = replay_recording(folder)
    summary = BacktestSummary(Recording(folder).header)
    assert (found, summary.format_lines()) == ([], ["no samples, so nothing was decided"])


def test_the_report_escapes_what_came_from_outside(tmp_path):
    """A component's name is text, wherever it is shown; and the reader is told what no recording can show."""
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


def test_samples_file_is_read_as_a_stream(tmp_path):
    """One instant is held at a time: the first comes before the file was read to its end."""
    folder = write_recording(tmp_path, {("shop", "p99"): make_steady_values(5)})
    with gzip.open(folder / "samples.csv.gz", "at", encoding="utf-8") as file:
        file.write("broken\n")
    assert next(Recording(folder).instants()).at == 1_700_000_040


def test_calls_tell_who_calls_whom(tmp_path):
    """Without a declared topology it is learned from the names of call metrics: the callee explains its caller."""
    slow = [*make_steady_values(60), *[3.0] * 4]
    lines = {("front", "p99"): slow, ("stock", "p99"): slow, ("front->stock", "p99"): slow}
    found, _ = replay_recording(write_recording(tmp_path, lines))
    causes = found[-1].to_json_object()["root_causes"]
    assert [cause["component"] for cause in causes] == ["stock", "front"]
