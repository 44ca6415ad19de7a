"""Timings of the loop in the embedded stack; everything else is the product's default."""

from collections.abc import Mapping
from typing import Any

SettingsOverrides = Mapping[str, Any]

# All times in seconds. `real` sets nothing: the defaults are what production runs.
# `demo` keeps the proportions but lets an incident play in about a minute: the rate window is five scrapes, each
# analysis window five of its steps or more, and a verification starts only after a full rate window could pass.
TIMING_PROFILES: dict[str, SettingsOverrides] = {
    "real": {},
    "demo": {
        "orchestrator": {"loop_interval": 5},
        "monitor": {"scrape_interval": 1, "rate_window": 5},
        "analyze": {
            "analysis_step": 1,
            "algorithms": {"temporal": {"window": 5}, "frequency": {"window": 25}},
        },
        "plan": {
            "settle_seconds": 1,
            "cool_down": {"after_success": 10, "rolled_back": 20},
            # Demo incidents use the same knobs: production budgets would block the third one.
            "rates": {
                "knob_per_hour": 100,
                "knob_per_day": 1000,
                "loop_per_hour": 200,
                "reversal_delay": 60,
                "risky_delay": 20,
            },
            "oscillation": {"relapses": 20, "freeze_seconds": 60, "external_change_hold": 10, "window": 60},
            "storm": {"exit_hold": 10},
        },
        "execute": {"verify": {"delay": 4, "interval": 1, "samples": 5, "passes": 4}},
    },
}
