"""The reference says what the code says."""

import pytest

from deploy.tools.reference.__main__ import PAGE_BUILDERS, find_outdated
from deploy.tools.reference.settings import read_field_docstrings
from deploy.tools.reference.table import markdown_cell, markdown_code, markdown_table
from worker.config.schema import ApiSettings, StagingSettings


def test_it_is_current() -> None:
    """Every page is what the code gives now; `make reference` brings it there."""
    assert sorted(find_outdated()) == [], "run `make reference`"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("cli.md", "## mapek resume LOOP"),
        ("configuration.md", '| `webhook_path` | string | `"/webhooks/alerts"` |'),
        ("configuration.md", "| `MAPEK_POSTGRES_URL` | `knowledge.postgres_url`: a secret, refused in the file |"),
        ("http.md", "| `POST /webhooks/alerts` |"),
        ("metrics.md", "| `mapek_cycles_total` | counter | `loop`, `trigger`, `outcome` |"),
    ],
)
def test_it_tells_of_each_kind(page: str, said: str) -> None:
    """A verb, a key with its default, a secret, a route and a metric are found where one looks."""
    assert said in PAGE_BUILDERS[page]()


def test_docstrings_stand_under_their_field() -> None:
    """The text under a field is that field's, also over several lines; a field without one has none."""
    said = read_field_docstrings(StagingSettings)
    assert said["verbose_logging"] == "True: level DEBUG everywhere."
    assert "switched on while it runs" in said["simulate_failures"]
    assert "tls_key_file" not in read_field_docstrings(ApiSettings)


def test_cells_stay_cells() -> None:
    """A bar or a line break in a text does not break the table."""
    assert markdown_cell("a | b\n  c") == "a \\| b c"
    assert markdown_table(("x",), [(markdown_code("a|b"),)]).splitlines()[-1] == "| `a\\|b` |"
