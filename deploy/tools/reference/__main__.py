"""`python -m deploy.tools.reference` writes deploy/reference/; with `--check` it only reports what is not current."""

import sys
from pathlib import Path

from deploy.tools.reference.cli import cli_page
from deploy.tools.reference.http import http_page
from deploy.tools.reference.metrics import metrics_page
from deploy.tools.reference.settings import settings_page

FOLDER = Path(__file__).parents[2] / "reference"
PAGES = {"cli.md": cli_page, "configuration.md": settings_page, "http.md": http_page, "metrics.md": metrics_page}


def outdated() -> dict[str, str]:
    """Return the pages that are not what the code says, with what they should be."""
    wanted = {name: make() for name, make in PAGES.items()}
    return {name: text for name, text in wanted.items() if read(FOLDER / name) != text}


def read(path: Path) -> str:
    """Return a page's text, "" while there is none."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main(arguments: list[str]) -> int:
    """Write what is not current; 1 if `--check` finds anything."""
    pages = outdated()
    if "--check" in arguments:
        print(f"not current: {', '.join(pages)}; run `make reference`" if pages else "the reference is current")
        return 1 if pages else 0
    for name, text in pages.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"deploy/reference/{name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
