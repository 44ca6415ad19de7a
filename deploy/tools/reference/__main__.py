"""`python -m deploy.tools.reference` writes deploy/reference/; with `--check` it only reports what is not current."""

import sys
from pathlib import Path

from deploy.tools.reference.cli import build_cli_page
from deploy.tools.reference.http import build_http_page
from deploy.tools.reference.metrics import build_metrics_page
from deploy.tools.reference.settings import build_settings_page

PAGES_DIR = Path(__file__).parents[2] / "reference"
PAGE_BUILDERS = {
    "cli.md": build_cli_page,
    "configuration.md": build_settings_page,
    "http.md": build_http_page,
    "metrics.md": build_metrics_page,
}


def find_outdated() -> dict[str, str]:
    """Return the pages that are not what the code says, with what they should be."""
    wanted = {name: make() for name, make in PAGE_BUILDERS.items()}
    return {name: text for name, text in wanted.items() if read_page(PAGES_DIR / name) != text}


def read_page(path: Path) -> str:
    """Return a page's text, "" while there is none."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main(argv: list[str]) -> int:
    """Write what is not current; 1 if `--check` finds anything."""
    pages = find_outdated()
    if "--check" in argv:
        print(f"not current: {', '.join(pages)}; run `make reference`" if pages else "the reference is current")
        return 1 if pages else 0
    for name, text in pages.items():
        (PAGES_DIR / name).write_text(text, encoding="utf-8")
        print(f"deploy/reference/{name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
