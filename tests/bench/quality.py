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

from activities.analyze.learning.calibration import Calibration, fit
from activities.settings import LoopSettings
from tests.bench import bandit
from tests.bench.quality_report import say, say_bandit, say_confidence, say_executed, say_prediction
from worker.backtest.backtest import cycles
from worker.backtest.recording import HEAD, Recording, recordings_in

FOLDER = "MAPEK_RECORDINGS"
RIDGE = 1.0
WEEK = 7 * 86400.0
SLACK = 180.0
"""Seconds after its end in which a fault is still active, at least one step: the scorer's rule."""

Outcome = tuple[tuple[float, ...], bool]


def main() -> int:
    """Measure, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", help="only these sets (default: all)")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--work", type=Path, help="keep the decisions here, and use those that are there already")
    options = parser.parse_args()
    figures: dict[str, Any] = {"bandit": bandit.table()}
    say_bandit(figures["bandit"])
    place = os.environ.get(FOLDER)
    if not place or not Path(place).is_dir():
        print(f"recordings skipped: {FOLDER} names no folder")
    else:
        with tempfile.TemporaryDirectory() as folder:
            figures["sets"] = measured(Path(place), options.work or Path(folder), options.sets)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))
    return 0


def measured(root: Path, work: Path, wanted: Sequence[str] | None) -> dict[str, Any]:
    """Return the scores of each set in `root`: of the project, of the rival, and with the confidences of the split."""
    sets = [name for name in sets_in(root) if not wanted or name in wanted]
    outcomes: dict[str, list[Outcome]] = {}
    for name in sets:
        played(root / name, work / "project" / name)
        rival(root, name, work / "baseline" / name)
        for one in recordings_in(root / name):
            outcomes[f"{name}/{one.name}"] = list(evidence(one, work / "project" / name / f"{one.name}.jsonl"))
    curves = folds(outcomes)
    for key in outcomes:
        name, one = key.split("/")
        rewritten(work / "project" / name / f"{one}.jsonl", work / "split" / name / f"{one}.jsonl", curves[key])
    found: dict[str, Any] = {}
    for name in sets:
        found[name] = {
            "project": scored(root, [name], work / "project"),
            "baseline": scored(root, [name], work / "baseline"),
            "split": scored(root, [name], work / "split")["confidence"],
        }
        say(name, found[name])
    causal = [name for name in sets if found[name]["project"]["root_cause"]]
    if causal:
        shipped, split = (scored(root, causal, work / which)["confidence"] for which in ("project", "split"))
        found["pooled_confidence"] = {"shipped": shipped, "split": split}
        print(f"\n{' + '.join(causal)}, pooled")
        say_confidence("confidence as shipped", shipped)
        say_confidence("confidence, fitted on the other fold", split)
    ahead = [name for name in sets if found[name]["project"]["prediction"]]
    if ahead:
        found["pooled_prediction"] = scored(root, ahead, work / "project")["prediction"]
        say_prediction(ahead, found["pooled_prediction"])
    found["executed"] = {name: quiet_weeks(root, name, work / "project" / name) for name in sets}
    say_executed(found["executed"])
    print(f"calibration fitted on all recordings: {calibrated(outcomes)}")
    return found


def folds(outcomes: Mapping[str, Sequence[Outcome]]) -> dict[str, Calibration | None]:
    """Return for each recording the curve of the fold it is not in: every other recording, by name, is in one fold."""
    names = sorted(outcomes)
    halves = (names[::2], names[1::2])
    print(f"calibration: {len(halves[0])} recordings scored with the curve of the other {len(halves[1])}, and reverse")
    curves = [calibrated({name: outcomes[name] for name in half}) for half in halves]
    return {name: curves[1 - place] for place, half in enumerate(halves) for name in half}


def sets_in(root: Path) -> list[str]:
    """Return the sets: folders that are a recording or hold some."""
    return sorted(p.name for p in root.iterdir() if p.is_dir() and ((p / HEAD).is_file() or any(p.glob(f"*/{HEAD}"))))


def played(folder: Path, target: Path) -> None:
    """Write the project's decisions, a file a recording, unless they are there."""
    target.mkdir(parents=True, exist_ok=True)
    for one in recordings_in(folder):
        file = target / f"{one.name}.jsonl"
        if file.exists():
            continue
        with file.with_suffix(".part").open("w", encoding="utf-8") as part:
            for cycle in cycles(Recording(one), LoopSettings()):
                part.write(json.dumps(cycle.line()) + "\n")
        file.with_suffix(".part").rename(file)
        print(f"  played {folder.name}/{one.name}", file=sys.stderr)


def evidence(folder: Path, decisions: Path) -> Iterator[Outcome]:
    """Yield the features of each calibrated pattern, and whether a fault was active then."""
    step = Recording(folder).head.step_seconds
    faults = json.loads((folder / "faults.json").read_text())["faults"]
    spans = [(fault["start"], fault["end"] + max(SLACK, step)) for fault in faults]
    for line in decisions.read_text().splitlines():
        cycle = json.loads(line)
        active = any(first <= cycle["at"] <= last for first, last in spans)
        yield from ((tuple(p["features"]), active) for p in cycle["patterns"] if p["features"])


def calibrated(outcomes: Mapping[str, Sequence[Outcome]]) -> Calibration | None:
    """Return the curve for the outcomes of several recordings; None if there is nothing to learn from."""
    rows = [one for found in outcomes.values() for one in found]
    if len({active for _, active in rows}) < 2:
        return None
    return fit([features for features, _ in rows], [active for _, active in rows], [1.0] * len(rows), RIDGE)


def rewritten(source: Path, target: Path, calibration: Calibration | None) -> None:
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


def rival(root: Path, name: str, target: Path) -> None:
    """Write the decisions of the rival that comes with the recordings, unless they are there."""
    target.mkdir(parents=True, exist_ok=True)
    for one in recordings_in(root / name):
        out = target / f"{one.name}.jsonl"
        if not out.exists():
            subprocess.run([sys.executable, root / "baseline.py", one, "--out", out], check=True)


def scored(root: Path, names: Sequence[str], decisions: Path) -> dict[str, Any]:
    """Return the scorer's figures for some sets, pooled."""
    pairs = [
        str(path)
        for name in names
        for one in recordings_in(root / name)
        for path in (one, decisions / name / f"{one.name}.jsonl")
    ]
    done = subprocess.run(
        [sys.executable, root / "score.py", *pairs, "--json"], check=True, capture_output=True, text=True
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def quiet_weeks(root: Path, name: str, decisions: Path) -> dict[str, float]:
    """Return how many quiet weeks a set has, and in how many cycles of them something would have been executed."""
    weeks = executed = 0.0
    for one in recordings_in(root / name):
        quiet = json.loads((one / "faults.json").read_text())["quiet"]
        weeks += sum(last - first for first, last in quiet) / WEEK
        cycles = map(json.loads, (decisions / f"{one.name}.jsonl").read_text().splitlines())
        times = [cycle["at"] for cycle in cycles if cycle["executed"]]
        executed += sum(any(first <= at <= last for first, last in quiet) for at in times)
    return {"weeks": weeks, "executed": executed}


if __name__ == "__main__":
    sys.exit(main())
