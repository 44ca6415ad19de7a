"""How far a loop may act: its mode and its autonomy."""

from activities.clients.store.store import Store
from activities.knowledge.autonomy import compute_autonomy
from activities.model.autonomy import Autonomy
from activities.model.mode import Mode, effective_mode
from activities.settings import LoopSettings


async def load_effective_mode(store: Store, settings: LoopSettings, now: float) -> Mode:
    """Return the mode in force at `now` (unix seconds), apart from the kill switch."""
    return effective_mode(await store.guards.load_mode(settings.name), settings.initial_mode, now)


async def load_autonomy(store: Store, settings: LoopSettings) -> Autonomy:
    """Return the autonomy of the loop's actions, from its trust evidence."""
    evidence = await store.autonomy.load_evidence(settings.name)
    return compute_autonomy(evidence, settings.initial_level, settings.knowledge.autonomy)
