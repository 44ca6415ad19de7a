"""The state machine over the simulated loop: a few hundred steps here, all of them in `make simulate`."""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.state_machine import LoopMachine

STEP_COUNT = int(os.environ.get("MAPEK_STEPS", "300"))
STEPS_PER_EXAMPLE = 25
"""Steps of one example at most; hypothesis ends some before, so twice as many examples are played."""


# What a killed worker was doing is collected where it stood, in the middle of an await.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("half", ["one", "other"])
def test_whatever_happens_to_a_loop_is_borne(half) -> None:
    """No sequence of faults, crashes, people and time breaks an invariant. Both halves can be played at once."""
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
