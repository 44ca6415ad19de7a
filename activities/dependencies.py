"""What the activities work with. Made once, by `worker/assemble.py`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from activities.clients.alertmanager import AlertmanagerClient
from activities.clients.charter import CharterClient
from activities.clients.prometheus import PrometheusClient
from activities.clients.store.adaptive_limits import AdaptiveLimitsStore
from activities.clients.store.store import Store
from activities.model.errors import NotFound
from activities.settings import LoopSettings


@dataclass(frozen=True)
class LoopDependencies:
    """One loop: its settings and the remotes it reads and changes.

    `alertmanager` is asked for silences, None: it is not. With `silences_required` nothing is changed while it does
    not answer. `limits` are its adaptive limits, None: it has no metric that is judged by its own past.
    """

    settings: LoopSettings
    prometheus: PrometheusClient
    charter: CharterClient
    alertmanager: AlertmanagerClient | None = None
    silences_required: bool = False
    limits: AdaptiveLimitsStore | None = None


@dataclass(frozen=True)
class Dependencies:
    """Everything an activity may use. `clock` gives unix seconds; `worker` is this process's identity.

    `switch` tells why nothing new may be done at Charter, empty if it may: the kill switch.
    """

    loops: Mapping[str, LoopDependencies]
    store: Store
    clock: Callable[[], float]
    worker_identity: str
    kill_switch: Callable[[], str] = str

    def loop(self, name: str) -> LoopDependencies:
        """Return the parts of a loop.

        Raises:
            NotFound: this worker's configuration has no such loop.
        """
        try:
            return self.loops[name]
        except KeyError:
            raise NotFound(f"loop {name!r} is not configured on this worker") from None
