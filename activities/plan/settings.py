"""Settings of Plan."""

from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from activities.model.action import ActionType
from activities.model.plan import CoolDowns, Risk
from activities.model.types import Duration, Fraction, PositiveDuration, Settings
from activities.plan.guards.settings import (
    ErrorBudgetSettings,
    FreezeDates,
    OscillationSettings,
    RateSettings,
    StormSettings,
    Window,
)

DEFAULT_COSTS: dict[ActionType, float] = {
    ActionType.SCALE_UP: 0.20,
    ActionType.SCALE_DOWN: 0.15,
    ActionType.RESTART_SERVICE: 0.30,
    ActionType.APPLY_POLICY: 0.10,
    ActionType.BYPASS_VALIDATION: 0.70,
    ActionType.THROTTLE_REQUESTS: 0.25,
    ActionType.ACTIVATE_EMERGENCY_OVERRIDE: 0.60,
    ActionType.REBALANCE_LOAD: 0.20,
    ActionType.UPDATE_CONFIGURATION: 0.15,
}


class KnownPolicy(Settings):
    """The last good version of a policy, which the loop may apply when the policy of a component is wrong."""

    name: str
    components: tuple[str, ...] = ()
    """The components of the policy; empty for all."""
    parameters: dict[str, Any] = Field(default_factory=dict)


class CoolDownSettings(Settings):
    """Time until a knob may change again."""

    after_success: Duration = 300.0
    """After fixed, improved or inconclusive: longer than actuator delay plus metric window."""
    no_effect: Duration = 0.0
    """After no effect: 0, so that the next rung may start."""
    rolled_back: Duration = 900.0
    """After worse, rolled back, failed or stopped: long, since the same state leads to the same plan."""

    def to_cool_downs(self) -> CoolDowns:
        """Return the cool-downs for a plan."""
        return CoolDowns(**self.model_dump())


class ApprovalSettings(Settings):
    """When an operator must approve a plan."""

    from_risk: Risk | Literal["never"] = Risk.HIGH
    """The lowest risk that needs approval. BYPASS_VALIDATION and ACTIVATE_EMERGENCY_OVERRIDE always need it."""
    deadline_seconds: PositiveDuration = 86400.0
    """Time to wait for approval; after it the plan counts as rejected."""


class PlanSettings(Settings):
    """How a remedy is chosen: the best score (benefit − cost) above zero."""

    cost_model: dict[ActionType, Fraction] = Field(default_factory=lambda: dict(DEFAULT_COSTS))
    """Cost of each action type, 0 to 1; an omitted type keeps its default."""
    benefit_target: Fraction = 0.95
    """Upper limit of every benefit."""
    min_confidence: Fraction = 0.6
    """Minimum confidence of a diagnosis and of a cause. If the analyzers' defaults give less, nothing is done. If only
    learned outcomes give less, a plan needs approval."""
    max_policies_per_analysis: PositiveInt = 5
    """Maximum candidates per root cause."""
    exploring: bool = False
    """Choose at random among equally safe remedies instead of the best one: this learns faster, and sometimes tries a
    worse remedy."""
    min_effectiveness: Fraction = 0.0
    """Minimum lower bound (one-sided, 95 %) of a remedy's effectiveness. 0: an untried remedy may be tried, and one
    that fails loses by its score."""
    allowed_actions: tuple[ActionType, ...] = tuple(ActionType)
    """Action types that this loop may execute."""
    settle_seconds: Duration = 15.0
    """Wait between plan and apply; after it all conditions are checked again."""
    cool_down: CoolDownSettings = CoolDownSettings()
    rates: RateSettings = RateSettings()
    oscillation: OscillationSettings = OscillationSettings()
    storm: StormSettings = StormSettings()
    windows: tuple[Window, ...] = ()
    freeze_dates: tuple[FreezeDates, ...] = ()
    error_budget: ErrorBudgetSettings = ErrorBudgetSettings()
    approval: ApprovalSettings = ApprovalSettings()
    known_policies: tuple[KnownPolicy, ...] = (KnownPolicy(name="admission", parameters={"ruleset": "strict-v1"}),)
    scale_step: PositiveInt = 1
    """Members added or removed in one change. One keeps the quorum stable."""
    max_replicas: PositiveInt = 15
    throttle_rate: PositiveFloat = 300.0
    """Requests per second that a throttled component accepts."""
