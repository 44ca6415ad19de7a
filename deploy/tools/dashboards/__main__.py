"""`python -m deploy.tools.dashboards` writes Grafana's dashboards; with `--check` it only prints the outdated ones."""

import json
import sys
from pathlib import Path

from deploy.tools.dashboards.charter import CHARTER_DASHBOARD
from deploy.tools.dashboards.loop import LOOP_DASHBOARD
from deploy.tools.dashboards.panel import build_dashboard
from deploy.tools.dashboards.worker import WORKER_DASHBOARD
from deploy.tools.generated import update

DASHBOARDS_DIR = Path(__file__).resolve().parents[2] / "grafana/dashboards"
DASHBOARDS = (LOOP_DASHBOARD, CHARTER_DASHBOARD, WORKER_DASHBOARD)


def build_dashboards() -> dict[Path, str]:
    """Return the JSON of all dashboards by their file."""
    return {
        DASHBOARDS_DIR / f"{dashboard.uid}.json": json.dumps(build_dashboard(dashboard), indent=1) + "\n"
        for dashboard in DASHBOARDS
    }


if __name__ == "__main__":
    sys.exit(update(build_dashboards(), check_only="--check" in sys.argv))
