"""The upgrade gate edits the remediation as it is written now."""

import ast

import pytest

from deploy.devstack.render import REPOSITORY_ROOT
from tests.soak.harness.upgrade import NEW_SOURCE, REMEDIATION_MODULE, add_step


def test_the_remediation_gets_one_further_step() -> None:
    """The edited module is valid Python and has the patched step once."""
    source = add_step((REPOSITORY_ROOT / REMEDIATION_MODULE).read_text())
    ast.parse(source)
    assert source.count(NEW_SOURCE) == 1


def test_a_remediation_written_in_another_way_is_refused() -> None:
    """The error names the module and the missing text."""
    with pytest.raises(ValueError, match=r"workflows/remediation\.py: 0 times"):
        add_step("pass\n")
