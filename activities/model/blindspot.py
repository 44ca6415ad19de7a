"""A blind spot: neither healthy nor violated. No action is based on it."""

from enum import StrEnum

from activities.model.types import FrozenModel


class BlindSpotKind(StrEnum):
    """Why a signal cannot be judged."""

    UNREACHABLE = "unreachable"
    MISSING = "missing"
    STALE = "stale"
    NAN = "nan"
    CONTRADICTORY = "contradictory"


class BlindSpot(FrozenModel):
    """A signal that cannot be judged.

    `component` is a component, or "prometheus" or "charter" if that remote cannot be read at all. `signal` is the
    metric, query or route. `detail` gives the reason with numbers.
    """

    component: str
    signal: str
    kind: BlindSpotKind
    detail: str = ""

    @property
    def summary(self) -> str:
        """One line: `stale: failure_rate on gateway (last sample 62 s old)`."""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.kind}: {self.signal} on {self.component}{detail}"
