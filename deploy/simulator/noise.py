"""Seeded noise."""

from random import Random


class Noise:
    """A slow random movement between -1 and 1, the same for the same seed and name."""

    def __init__(self, seed: int, name: str) -> None:
        self._random = Random(f"{seed}:{name}")
        self._value = 0.0

    def step(self) -> float:
        """Move on and return the new value."""
        self._value = min(1.0, max(-1.0, 0.9 * self._value + self._random.gauss(0.0, 0.3)))
        return self._value
