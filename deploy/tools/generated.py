"""Generated files: report or rewrite the outdated ones."""

from collections.abc import Mapping
from pathlib import Path

REPOSITORY_ROOT = Path(__file__).resolve().parents[2]


def find_outdated(contents: Mapping[Path, str]) -> dict[Path, str]:
    """Return the files whose content differs from the generated one, with the generated content."""
    return {path: text for path, text in contents.items() if not path.is_file() or path.read_text("utf-8") != text}


def update(contents: Mapping[Path, str], *, check_only: bool = False) -> int:
    """Write the outdated files and return 0. With `check_only` print their names instead; 1 if there are any."""
    outdated = find_outdated(contents)
    for path, text in outdated.items():
        if not check_only:
            path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(REPOSITORY_ROOT)} {'is outdated; run `make reference`' if check_only else 'written'}")
    return int(check_only and bool(outdated))
