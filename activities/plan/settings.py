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
    """A policy the loop may apply when a component's policy is wrong: the last one known to be good."""

    name: str
    components: tuple[str, ...] = ()
    """The components it governs; empty for all."""
    parameters: dict[str, Any] = Field(default_factory=dict)


class CoolDownSettings(Settings):
    """How long a knob rests, in seconds."""

    after_success: Duration = 300.0
    """After fixed, improved or inconclusive: longer than actuator delay and metric window together."""
    no_effect: Duration = 0.0
    """After no effect: none, so that the next rung may start."""
    rolled_back: Duration = 900.0
    """After worse, rolled back, failed or stopped: long, because the same state would tempt the same plan."""

    def to_cool_downs(self) -> CoolDowns:
        """Return them as a plan carries them."""
        return CoolDowns(**self.model_dump())


class ApprovalSettings(Settings):
    """When a person has to say yes."""

    from_risk: Risk | Literal["never"] = Risk.HIGH
    """The lowest risk that needs approval. Bypass validation and emergency override need it always."""
    deadline_seconds: PositiveDuration = 86400.0
    """Seconds an approval may take; after it the plan counts as rejected."""


class PlanSettings(Settings):
    """How a remedy is chosen: score = benefit − cost, the best one above zero."""

    cost_model: dict[ActionType, Fraction] = Field(default_factory=lambda: dict(DEFAULT_COSTS))
    """Cost of each action type, 0 to 1; a type left out keeps the built-in figure."""
    benefit_target: Fraction = 0.95
    """No benefit is ever believed to be higher."""
    min_confidence: Fraction = 0.6
    """Nothing is done upon a diagnosis, or against a cause in it, that the analyzers' constants make less sure; where
    outcomes do, a person is asked."""
    max_policies_per_analysis: PositiveInt = 5
    """Candidates considered per root cause."""
    exploring: bool = False
    """Draw among equally safe remedies instead of always taking the one believed best: learns faster, and sometimes
    tries the worse one. A person's decision."""
    min_effectiveness: Fraction = 0.0
    """Least one-sided 95 % lower bound of a remedy's effectiveness. 0: what was never tried may be tried, and a remedy
    that fails loses by its score."""
    allowed_actions: tuple[ActionType, ...] = tuple(ActionType)
    """Action types this loop may ever execute."""
    settle_seconds: Duration = 15.0
    """Seconds between plan and apply, after which everything is checked again."""
    cooldown: CoolDownSettings = CoolDownSettings()
    rates: RateSettings = RateSettings()
    oscillation: OscillationSettings = OscillationSettings()
    storm: StormSettings = StormSettings()
    windows: tuple[Window, ...] = ()
    freeze_dates: tuple[FreezeDates, ...] = ()
    error_budget: ErrorBudgetSettings = ErrorBudgetSettings()
    approval: ApprovalSettings = ApprovalSettings()
    known_policies: tuple[KnownPolicy, ...] = (KnownPolicy(name="admission", parameters={"ruleset": "strict-v1"}),)
    scale_step: PositiveInt = 1
    """Members added or removed at once: one at a time, so that quorum never jumps."""
    max_replicas: PositiveInt = 15
    throttle_rate: PositiveFloat = 300.0
    """Requests per second a throttled component still accepts."""
