"""How `make bench-quality` prints: the project, the rival, chance and a constant guess side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench import bandit

COLUMNS = (
    ("recall", 8),
    ("precis.", 8),
    ("false/d", 8),
    ("viol.F1", 8),
    ("AC@1", 7),
    ("AC@3", 7),
    ("false RC/d", 11),
    ("AP", 7),
)

PREDICTORS = {"project": "program", "baseline": "linear 12"}
"""The rival predicts nothing itself; the scorer brings the straight line it is compared with."""


def print_executed(figures: Mapping[str, Mapping[str, float]]) -> None:
    """Print how often something would have been executed in quiet times, cool-downs, budgets and ladder kept."""
    print("\nexecuted per quiet week, guards kept in virtual time")
    total = {key: sum(found[key] for found in figures.values()) for key in ("weeks", "executed")}
    for name, found in (*figures.items(), ("pooled", total)):
        rate = found["executed"] / found["weeks"] if found["weeks"] else 0.0
        print(f"  {name:<22}{rate:>7.2f}   ({found['executed']:.0f} in {found['weeks']:.1f} weeks)")


def print_prediction(names: Sequence[str], figures: Mapping[str, Any]) -> None:
    """Print how well crossings were foretold over all series."""
    print(
        f"\n{' + '.join(names)}, pooled: {figures['series']} series, prevalence {figures['prevalence']:.3f} is chance"
    )
    for predictor, scores in figures["predictors"].items():
        print(f"  {'project' if predictor == 'program' else predictor:<12}mean AP {scores['mean_ap']:.3f}")


def print_scores(name: str, figures: Mapping[str, Any]) -> None:
    """Print the scores of a set side by side."""
    print(f"\n{name}")
    print("".join(["  ", " " * 12, *(f"{title:>{width}}" for title, width in COLUMNS)]))
    for rival in ("project", "baseline"):
        print(f"  {rival:<12}{format_row(figures[rival], PREDICTORS[rival])}")
    causes = figures["project"]["root_cause"]
    for guess in ("chance", "constant_guess"):
        if causes:
            print(f"  {guess:<12}{'':>32}{causes[guess]['ac1']:>7.2f}{causes[guess]['ac3']:>7.2f}")
    print_confidence("confidence as shipped", figures["project"]["confidence"])
    print_confidence("confidence, fitted on the other fold", figures["split"])


def print_confidence(title: str, figures: Mapping[str, Any]) -> None:
    """Print how true the confidences of all patterns are."""
    found = figures.get("all")
    if found:
        print(
            f"  {title}: ECE {found['ece']:.3f}, Brier {found['brier']:.3f} "
            f"(always the share {found['share_brier']:.3f}), {found['patterns']} patterns"
        )


def format_row(figures: Mapping[str, Any], predictor: str) -> str:
    """Return one line of the table."""
    acts, violations = figures["detection"]["acts"], figures["detection"]["any violation"]
    causes = figures["root_cause"] or {}
    ahead = (figures["prediction"] or {}).get("predictors", {}).get(predictor, {})
    cells = (acts["recall"], acts["precision"], acts["false_per_day"], violations["f1"])
    more = (causes.get("ac1"), causes.get("ac3"))
    shown = "".join(f"{_format_cell(cell):>8}" for cell in cells) + "".join(f"{_format_cell(cell):>7}" for cell in more)
    return f"{shown}{_format_cell(causes.get('false_root_causes_per_day')):>11}{_format_cell(ahead.get('mean_ap')):>7}"


def _format_cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def print_bandit(figures: Mapping[str, Mapping[str, float]]) -> None:
    """Print the regrets."""
    print(
        f"bandit, {bandit.ACTION_COUNT} actions, {bandit.SEED_COUNT} seeds: "
        "mean regret at T = 300, and at T = 600 with a drift"
    )
    for name, found in figures.items():
        print(f"  {name:<15}{found['T300']:>7.1f}{found['T600_drift']:>8.1f}")
