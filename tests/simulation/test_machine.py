"""The state machine over the simulated loop: a few hundred steps here, all of them in `make simulate`."""

import os

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.machine import LoopMachine

STEPS = int(os.environ.get("MAPEK_STEPS", "300"))
EACH = 25
"""Steps of one example at most; hypothesis ends some before, so twice as many examples are played."""


def test_whatever_happens_to_a_loop_is_borne():
    """No sequence of faults, crashes, people and time breaks an invariant."""
    LoopMachine.steps = 0
    examples = max(1, STEPS // EACH)
    while LoopMachine.steps < STEPS:
        run_state_machine_as_test(
            LoopMachine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=EACH,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    print(f"{LoopMachine.steps} steps")
