"""`make bench-quality`: decisions on labelled recordings, beside a plain rival, chance and a constant guess.

The recordings, their scorer and the rival are read from the folder in MAPEK_RECORDINGS; without it only the bandit
simulation runs. Only the scorer, and the fit of calibrations, read labels. Confidence is scored with a calibration
fitted on the other sets only; decisions are scored as they come, with the settings as shipped.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from activities.analyze.learning.calibration import Calibration, fit_calibration
from activities.settings import LoopSettings
from tests.bench import bandit
from tests.bench.quality_report import print_bandit, print_confidence, print_executed, print_prediction, print_scores
from worker.backtest.recording import HEADER_FILE, Recording, find_recordings
from worker.backtest.replay import replay_cycles

FOLDER_VARIABLE = "MAPEK_RECORDINGS"
RIDGE_PENALTY = 1.0
WEEK_SECONDS = 7 * 86400.0
SLACK_SECONDS = 180.0
"""Seconds after its end in which a fault is still active, at least one step: the scorer's rule."""

LabelledFeatures = tuple[tuple[float, ...], bool]


def main() -> int:
    """Measure, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", help="only these sets (default: all)")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--work", type=Path, help="keep the decisions here, and use those that are there already")
    options = parser.parse_args()
    figures: dict[str, Any] = {"bandit": bandit.compute_regret_table()}
    print_bandit(figures["bandit"])
    place = os.environ.get(FOLDER_VARIABLE)
    if not place or not Path(place).is_dir():
        print(f"recordings skipped: {FOLDER_VARIABLE} names no folder")
    else:
        with tempfile.TemporaryDirectory() as folder:
            figures["sets"] = measure_quality(Path(place), options.work or Path(folder), options.sets)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))
    return 0


def measure_quality(root: Path, work: Path, set_names: Sequence[str] | None) -> dict[str, Any]:
    """Return the scores of each set in `root`: of the project, of the rival, and with the confidences of the split."""
    sets = [name for name in list_sets(root) if not set_names or name in set_names]
    outcomes: dict[str, list[LabelledFeatures]] = {}
    for name in sets:
        write_decisions(root / name, work / "project" / name)
        write_baseline_decisions(root, name, work / "baseline" / name)
        for one in find_recordings(root / name):
            outcomes[f"{name}/{one.name}"] = list(
                load_labelled_features(one, work / "project" / name / f"{one.name}.jsonl")
            )
    curves = fit_folds(outcomes)
    for key in outcomes:
        set_name, recording = key.split("/")
        file = f"{recording}.jsonl"
        rewrite_confidences(work / "project" / set_name / file, work / "split" / set_name / file, curves[key])
    found: dict[str, Any] = {}
    for name in sets:
        found[name] = {
            "project": score_sets(root, [name], work / "project"),
            "baseline": score_sets(root, [name], work / "baseline"),
            "split": score_sets(root, [name], work / "split")["confidence"],
        }
        print_scores(name, found[name])
    causal = [name for name in sets if found[name]["project"]["root_cause"]]
    if causal:
        shipped, split = (score_sets(root, causal, work / which)["confidence"] for which in ("project", "split"))
        found["pooled_confidence"] = {"shipped": shipped, "split": split}
        print(f"\n{' + '.join(causal)}, pooled")
        print_confidence("confidence as shipped", shipped)
        print_confidence("confidence, fitted on the other fold", split)
    ahead = [name for name in sets if found[name]["project"]["prediction"]]
    if ahead:
        found["pooled_prediction"] = score_sets(root, ahead, work / "project")["prediction"]
        print_prediction(ahead, found["pooled_prediction"])
    found["executed"] = {name: count_quiet_weeks(root, name, work / "project" / name) for name in sets}
    print_executed(found["executed"])
    print(f"calibration fitted on all recordings: {fit_recordings(outcomes)}")
    return found


def fit_folds(outcomes: Mapping[str, Sequence[LabelledFeatures]]) -> dict[str, Calibration | None]:
    """Return for each recording the curve of the fold it is not in: every other recording, by name, is in one fold."""
    names = sorted(outcomes)
    halves = (names[::2], names[1::2])
    print(f"calibration: {len(halves[0])} recordings scored with the curve of the other {len(halves[1])}, and reverse")
    curves = [fit_recordings({name: outcomes[name] for name in half}) for half in halves]
    return {name: curves[1 - place] for place, half in enumerate(halves) for name in half}


def list_sets(root: Path) -> list[str]:
    """Return the sets: folders that are a recording or hold some."""
    return sorted(
        p.name
        for p in root.iterdir()
        if p.is_dir() and ((p / HEADER_FILE).is_file() or any(p.glob(f"*/{HEADER_FILE}")))
    )


def write_decisions(folder: Path, target: Path) -> None:
    """Write the project's decisions, a file a recording, unless they are there."""
    target.mkdir(parents=True, exist_ok=True)
    for one in find_recordings(folder):
        file = target / f"{one.name}.jsonl"
        if file.exists():
            continue
        with file.with_suffix(".part").open("w", encoding="utf-8") as part:
            for cycle in replay_cycles(Recording(one), LoopSettings()):
                part.write(json.dumps(cycle.to_json_object()) + "\n")
        file.with_suffix(".part").rename(file)
        print(f"  played {folder.name}/{one.name}", file=sys.stderr)


def load_labelled_features(folder: Path, decisions: Path) -> Iterator[LabelledFeatures]:
    """Yield the features of each calibrated pattern, and whether a fault was active then."""
    step = Recording(folder).header.step_seconds
    faults = json.loads((folder / "faults.json").read_text())["faults"]
    spans = [(fault["start"], fault["end"] + max(SLACK_SECONDS, step)) for fault in faults]
    for line in decisions.read_text().splitlines():
        cycle = json.loads(line)
        active = any(first <= cycle["at"] <= last for first, last in spans)
        yield from ((tuple(p["features"]), active) for p in cycle["patterns"] if p["features"])


def fit_recordings(outcomes: Mapping[str, Sequence[LabelledFeatures]]) -> Calibration | None:
    """Return the curve for the outcomes of several recordings; None if there is nothing to learn from."""
    rows = [one for found in outcomes.values() for one in found]
    if len({active for _, active in rows}) < 2:
        return None
    return fit_calibration(
        [features for features, _ in rows], [active for _, active in rows], [1.0] * len(rows), RIDGE_PENALTY
    )


def rewrite_confidences(source: Path, target: Path, calibration: Calibration | None) -> None:
    """Copy decisions with the confidences of another calibration; with none they stay."""
    target.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for text in source.read_text().splitlines():
        cycle = json.loads(text)
        for pattern in cycle["patterns"]:
            if pattern["features"] and calibration is not None:
                pattern["confidence"] = calibration.probability(pattern["features"])
        lines.append(json.dumps(cycle))
    target.write_text("\n".join(lines) + "\n")


def write_baseline_decisions(root: Path, name: str, target: Path) -> None:
    """Write the decisions of the rival that comes with the recordings, unless they are there."""
    target.mkdir(parents=True, exist_ok=True)
    for one in find_recordings(root / name):
        out = target / f"{one.name}.jsonl"
        if not out.exists():
            subprocess.run([sys.executable, root / "baseline.py", one, "--out", out], check=True)


def score_sets(root: Path, names: Sequence[str], decisions: Path) -> dict[str, Any]:
    """Return the scorer's figures for some sets, pooled."""
    pairs = [
        str(path)
        for name in names
        for one in find_recordings(root / name)
        for path in (one, decisions / name / f"{one.name}.jsonl")
    ]
    done = subprocess.run(
        [sys.executable, root / "score.py", *pairs, "--json"], check=True, capture_output=True, text=True
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def count_quiet_weeks(root: Path, name: str, decisions: Path) -> dict[str, float]:
    """Return how many quiet weeks a set has, and in how many cycles of them something would have been executed."""
    weeks = executed = 0.0
    for one in find_recordings(root / name):
        quiet = json.loads((one / "faults.json").read_text())["quiet"]
        weeks += sum(last - first for first, last in quiet) / WEEK_SECONDS
        cycles = map(json.loads, (decisions / f"{one.name}.jsonl").read_text().splitlines())
        times = [cycle["at"] for cycle in cycles if cycle["executed"]]
        executed += sum(any(first <= at <= last for first, last in quiet) for at in times)
    return {"weeks": weeks, "executed": executed}


if __name__ == "__main__":
    sys.exit(main())
