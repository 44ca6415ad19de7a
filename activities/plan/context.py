"""Everything one choice is made from."""

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
    """One decision's material. `at` is unix seconds, `snapshot` the digest under which all of it is kept.

    `analysis` is what the diagnosis was made from: committee, policies and topology are read from it. `verification`
    holds the timings a plan's verification gets; its targets and neighbours are filled in for each plan. `silenced` are
    components that may only be observed, "*" all of them. `autonomy` is how far each action against each cause is
    trusted. `seed` feeds what is drawn while exploring.
    `error_budget` is the share left of the service's own error budget, None if it is not asked.
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
