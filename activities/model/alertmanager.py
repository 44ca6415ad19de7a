"""What Alertmanager holds: alerts that fire, and silences people have set."""

from activities.model.types import FrozenModel


class ActiveAlert(FrozenModel):
    """One alert as Alertmanager holds it. Times are unix seconds; the same alert has the same fingerprint.

    `silenced`: a person's silence keeps it from being told; `inhibited`: another alert does.
    """

    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: float
    ends_at: float
    silenced: bool = False
    inhibited: bool = False


class Matcher(FrozenModel):
    """One condition of a silence: the label's value is, or with `equal` False is not, `value`."""

    name: str
    value: str
    regex: bool = False
    equal: bool = True


class Silence(FrozenModel):
    """One silence; only an active one silences."""

    id: str
    active: bool
    matchers: tuple[Matcher, ...]
