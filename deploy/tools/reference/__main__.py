"""`python -m deploy.tools.reference` writes deploy/reference/; with `--check` it only prints the outdated pages."""

import sys
from pathlib import Path

from deploy.tools.generated import update
from deploy.tools.reference.cli import build_cli_page
from deploy.tools.reference.http import build_http_page
from deploy.tools.reference.metrics import build_metrics_page
from deploy.tools.reference.settings import build_settings_page

PAGES_DIR = Path(__file__).resolve().parents[2] / "reference"
PAGE_BUILDERS = {
    "cli.md": build_cli_page,
    "configuration.md": build_settings_page,
    "http.md": build_http_page,
    "metrics.md": build_metrics_page,
}


def build_pages() -> dict[Path, str]:
    """Return all pages of the reference by their file."""
    return {PAGES_DIR / name: build() for name, build in PAGE_BUILDERS.items()}


if __name__ == "__main__":
    sys.exit(update(build_pages(), check_only="--check" in sys.argv))
