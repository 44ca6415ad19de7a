"""What a candidate costs and what it is believed to bring."""

import math
from collections.abc import Iterable

from activities.knowledge.effectiveness import estimate_effectiveness
from activities.knowledge.posterior import posterior_for
from activities.knowledge.settings import KnowledgeSettings
from activities.model.action import Action
from activities.model.candidate import Candidate
from activities.model.diagnosis import RootCause
from activities.model.experience import Experience
from activities.plan.settings import DEFAULT_COSTS, PlanSettings


def combine_independent(shares: Iterable[float]) -> float:
    """Return 1 − Π(1 − xᵢ): several costs, or several chances to help, taken as independent; 0 for none."""
    return 1.0 - math.prod(1.0 - share for share in shares)


def compute_benefit(confidence: float, effect: float, target: float) -> float:
    """Return min(target, confidence × effect), all 0 to 1."""
    return min(target, confidence * effect)


def with_costs(actions: tuple[Action, ...], settings: PlanSettings) -> tuple[Action, ...]:
    """Return the actions with their cost from the settings; a type left out there has the built-in one."""
    return tuple(a.model_copy(update={"cost": settings.cost_model.get(a.type, DEFAULT_COSTS[a.type])}) for a in actions)


def score_candidate(
    root: RootCause,
    rung: int,
    actions: tuple[Action, ...],
    experience: Experience,
    settings: tuple[PlanSettings, KnowledgeSettings],
) -> Candidate:
    """Return the candidate with its figures: score = benefit − cost.

    Of several actions the costs add up as 1 − Π(1 − cᵢ) and the effectiveness as 1 − Π(1 − eᵢ): one of them that
    helps is enough. Each eᵢ is what was learned of that action against this cause; `lower` is the same of the lower
    bounds of what is believed of it on this component.
    """
    plan, knowledge = settings
    paid = with_costs(actions, plan)
    cost = combine_independent(a.cost for a in paid)
    records = [experience.for_action(a.type, root.cause) for a in paid]
    effect = combine_independent(estimate_effectiveness(record, knowledge) for record in records)
    gain = compute_benefit(root.prior_confidence, effect, plan.benefit_target)
    return Candidate(
        cause=root.cause,
        component=root.component,
        rung=rung,
        actions=paid,
        cost=cost,
        benefit=gain,
        score=gain - cost,
        effectiveness=effect,
        effectiveness_lower_bound=combine_independent(
            posterior_for(record, root.component, knowledge).lower_bound for record in records
        ),
    )
