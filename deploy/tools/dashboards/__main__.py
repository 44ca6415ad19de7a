"""`python -m deploy.tools.dashboards` writes the dashboards Grafana reads; `outdated` tells which are not current."""

import json
import sys
from pathlib import Path

from deploy.tools.dashboards.charter import CHARTER_DASHBOARD
from deploy.tools.dashboards.loop import LOOP_DASHBOARD
from deploy.tools.dashboards.panel import build_dashboard
from deploy.tools.dashboards.worker import WORKER_DASHBOARD

DASHBOARDS_DIR = Path(__file__).parents[2] / "grafana/dashboards"
DASHBOARDS = (LOOP_DASHBOARD, CHARTER_DASHBOARD, WORKER_DASHBOARD)


def find_outdated() -> dict[Path, str]:
    """Return the files that are not what the tables say, with what they should be."""
    made = {
        DASHBOARDS_DIR / f"{board.uid}.json": json.dumps(build_dashboard(board), indent=1) + "\n"
        for board in DASHBOARDS
    }
    return {path: text for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text}


def main() -> int:
    """Write what is not current."""
    for path, text in find_outdated().items():
        path.write_text(text, encoding="utf-8")
        print(f"{path.name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
