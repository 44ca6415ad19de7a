"""The input of one decision of Plan."""

from dataclasses import dataclass

from activities.knowledge.settings import KnowledgeSettings
from activities.model.autonomy import Autonomy
from activities.model.diagnosis import Diagnosis
from activities.model.experience import Experience
from activities.model.guard_state import GuardState
from activities.model.mode import Mode
from activities.model.plan import Verification
from activities.model.snapshot import AnalysisInput
from activities.plan.settings import PlanSettings


@dataclass(frozen=True)
class PlanContext:
    """Everything one decision is made from. `at` is unix seconds, `snapshot` the digest under which it is stored.

    `analysis` is the input of the diagnosis: committee, policies and topology are read from it. `verification` holds
    the timings of every verification; its targets and neighbours are set for each plan. `silenced` are components that
    may only be observed, "*" for all. `autonomy` is the level of each action against each cause. `error_budget` is the
    share left of the service's error budget, None if it is not queried. `seed` feeds the draws of exploration.
    """

    loop: str
    charter: str
    cycle_id: str
    at: float
    diagnosis: Diagnosis
    analysis: AnalysisInput
    experience: Experience
    guards: GuardState
    mode: Mode
    settings: PlanSettings
    knowledge: KnowledgeSettings
    verification: Verification
    autonomy: Autonomy
    snapshot: str = ""
    silenced: tuple[str, ...] = ()
    error_budget: float | None = None
    seed: int = 0
