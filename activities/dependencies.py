"""The dependencies of the activities, built once by `worker/assemble.py`."""

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
    """One loop: its settings and the remotes that it reads and changes.

    `alertmanager` is queried for silences, None: it is not. With `silences_required`, a change needs its answer.
    `limits` holds the loop's adaptive limits, None if no metric has an adaptive rule.
    """

    settings: LoopSettings
    prometheus: PrometheusClient
    charter: CharterClient
    alertmanager: AlertmanagerClient | None = None
    silences_required: bool = False
    limits: AdaptiveLimitsStore | None = None


@dataclass(frozen=True)
class Dependencies:
    """Everything that an activity may use. `clock` returns unix seconds; `worker_identity` names this process.

    `kill_switch` returns why no new change may be made at Charter, empty if changes are allowed.
    """

    loops: Mapping[str, LoopDependencies]
    store: Store
    clock: Callable[[], float]
    worker_identity: str
    kill_switch: Callable[[], str] = str

    def loop(self, name: str) -> LoopDependencies:
        """Return the dependencies of a loop.

        Raises:
            NotFound: this worker's configuration has no such loop.
        """
        try:
            return self.loops[name]
        except KeyError:
            raise NotFound(f"loop {name!r} is not configured on this worker") from None
