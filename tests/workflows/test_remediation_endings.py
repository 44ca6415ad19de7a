"""How remediations end, and in which order they do what."""

import pytest

from tests.workflows.scenes_remediation import REMEDIATIONS
from tests.workflows.story import order_of, phases_of
from workflows import names

