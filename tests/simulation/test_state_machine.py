"""The state machine over the simulated loop: a few hundred steps here, many more in `make simulate`."""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.state_machine import LoopMachine

STEP_COUNT = int(os.environ.get("MAPEK_STEPS", "300"))
STEPS_PER_EXAMPLE = 25
"""Most steps of one example. Hypothesis ends some examples earlier, so more examples may be played."""


# The coroutine of a killed attempt is garbage-collected in the middle of an await.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("half", ["one", "other"])
def test_no_sequence_of_steps_breaks_an_invariant(half: str) -> None:
    """No sequence of faults, crashes, operators and time breaks an invariant. The halves can run in parallel."""
    LoopMachine.step_count, steps = 0, STEP_COUNT // 2
    examples = max(1, steps // STEPS_PER_EXAMPLE)
    while LoopMachine.step_count < steps:
        run_state_machine_as_test(
            LoopMachine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=STEPS_PER_EXAMPLE,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    print(f"the {half} half: {LoopMachine.step_count} steps")
