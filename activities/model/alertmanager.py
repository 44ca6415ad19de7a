"""Alertmanager's state: firing alerts, and the silences that operators set."""

from activities.model.types import FrozenModel


class ActiveAlert(FrozenModel):
    """One alert as Alertmanager holds it. Times are unix seconds; the same alert has the same fingerprint.

    `silenced`: an operator's silence suppresses its notifications; `inhibited`: another alert does.
    """

    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: float
    ends_at: float
    silenced: bool = False
    inhibited: bool = False


class Matcher(FrozenModel):
    """One condition of a silence: the label has, or with `equal` False does not have, the value."""

    name: str
    value: str
    regex: bool = False
    equal: bool = True


class Silence(FrozenModel):
    """One silence; only an active one has an effect."""

    id: str
    active: bool
    matchers: tuple[Matcher, ...]
