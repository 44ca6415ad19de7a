"""The report of a backtest as one self-contained HTML page, with a chart of actions per day."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from math import floor

from activities.model.types import DAY_SECONDS
from worker.backtest.summary import BacktestSummary

_WIDTH, _HEIGHT = 720, 120

RECORDING_CAVEAT = (
    "A recording has metrics only. Reports of Charter itself (violations, the state of its committee and policies) are "
    "not in it, so actions triggered by them alone are missing here."
)
"""A limit of every backtest, which the reader must know."""

_STYLE = (
    "body{font:16px/1.5 system-ui;max-width:48rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}"
    "svg{width:100%;height:auto}rect{fill:#2a6fb0}text{font-size:11px;fill:#555}table{border-collapse:collapse}"
    "td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}"
)


def html_report(summaries: Sequence[BacktestSummary]) -> str:
    """Return the page for one or more backtests."""
    parts = "".join(_render_section(summary) for summary in summaries)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>What the loop would have done</title>'
        f"<style>{_STYLE}</style></head><body><h1>What the loop would have done</h1>"
        f"<p>{RECORDING_CAVEAT}</p>{parts}</body></html>\n"
    )


def _render_section(summary: BacktestSummary) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in summary.format_lines())
    rows = "".join(
        f"<tr><td>{escape(format_minute(at))}</td><td>{escape(line)}</td></tr>"
        for at, line in reversed(summary.newest_actions)
    )
    table = f"<table><tr><th>When</th><th>What and why</th></tr>{rows}</table>" if rows else ""
    return f"<section><h2>{escape(summary.header.name)}</h2><ul>{items}</ul>{_render_chart(summary)}{table}</section>"


def _render_chart(summary: BacktestSummary) -> str:
    """Return an SVG with one bar per day, as high as its number of actions."""
    if not summary.cycles:
        return ""
    first, last = floor(summary.first / DAY_SECONDS), floor(summary.last / DAY_SECONDS)
    day_count, max_actions = last - first + 1, max([*summary.actions_by_day.values(), 1])
    width = _WIDTH / day_count
    bars = "".join(
        f'<rect x="{(day - first) * width:.1f}" y="{_HEIGHT * (1 - actions / max_actions):.1f}" '
        f'width="{max(1.0, width - 1):.1f}" height="{_HEIGHT * actions / max_actions:.1f}">'
        f"<title>{escape(format_minute(day * DAY_SECONDS)[:10])}: {actions}</title></rect>"
        for day, actions in sorted(summary.actions_by_day.items())
    )
    first_day, last_day = format_minute(summary.first)[:10], format_minute(summary.last)[:10]
    label = f"Actions per day, at most {max_actions}; {first_day} to {last_day}"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 16}" role="img" aria-label="{escape(label)}">{bars}'
        f'<text x="0" y="{_HEIGHT + 13}">{escape(label)}</text></svg>'
    )


def format_minute(seconds: float) -> str:
    """Return unix seconds as `2026-01-31 12:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%MZ")
