"""The score of a candidate: benefit (confidence × effectiveness) − cost."""

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
    """Return 1 − Π(1 − xᵢ): several costs, or several chances of success, as if independent; 0 for none."""
    return 1.0 - math.prod(1.0 - share for share in shares)


def compute_benefit(confidence: float, effect: float, target: float) -> float:
    """Return min(target, confidence × effect), all 0 to 1."""
    return min(target, confidence * effect)


def with_costs(actions: tuple[Action, ...], settings: PlanSettings) -> tuple[Action, ...]:
    """Return the actions with their cost from the settings; a type missing there has the default."""
    return tuple(a.model_copy(update={"cost": settings.cost_model.get(a.type, DEFAULT_COSTS[a.type])}) for a in actions)


def score_candidate(
    root: RootCause,
    rung: int,
    actions: tuple[Action, ...],
    experience: Experience,
    settings: tuple[PlanSettings, KnowledgeSettings],
) -> Candidate:
    """Return the candidate with its figures: score = benefit − cost.

    Several actions cost 1 − Π(1 − cᵢ), with the effectiveness 1 − Π(1 − eᵢ): one successful action is enough. Each eᵢ
    is learned for that action against this cause. `effectiveness_lower_bound` combines the lower bounds of the
    posteriors on this component in the same way.
    """
    plan, knowledge = settings
    actions = with_costs(actions, plan)
    cost = combine_independent(a.cost for a in actions)
    records = [experience.for_action(a.type, root.cause) for a in actions]
    effectiveness = combine_independent(estimate_effectiveness(record, knowledge) for record in records)
    benefit = compute_benefit(root.prior_confidence, effectiveness, plan.benefit_target)
    return Candidate(
        cause=root.cause,
        component=root.component,
        rung=rung,
        actions=actions,
        cost=cost,
        benefit=benefit,
        score=benefit - cost,
        effectiveness=effectiveness,
        effectiveness_lower_bound=combine_independent(
            posterior_for(record, root.component, knowledge).lower_bound for record in records
        ),
    )
