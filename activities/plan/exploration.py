"""Exploration: draws among equally safe remedies of one cause, if the settings allow it.

Without exploration the first remedy that works is always repeated, and nothing is learned about the others. With it,
one of the rungs that are as safe as the next one is drawn: the more likely it is to be the best, the more often
(Thompson sampling by their posteriors). Each choice is stored with its probability; a later comparison needs it.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from activities.knowledge.posterior import ThompsonChoice, posterior_for, sample_effects, thompson_sample
from activities.model.action import Inverse
from activities.model.candidate import Candidate
from activities.model.diagnosis import RootCause
from activities.plan.context import PlanContext
from activities.plan.ladder import reject_candidate
from activities.plan.risk import compute_risk, risk_requires_approval

DRAW_COUNT = 4096
"""Number of draws for the probabilities: their standard error is below 0.008."""


def cycle_seed(cycle_id: str) -> int:
    """Return the seed of a cycle's draws, 0 to 2³² − 1: the same cycle decided again draws the same."""
    return int.from_bytes(hashlib.sha256(cycle_id.encode()).digest()[:4])


def explore(candidates: Sequence[Candidate], root: RootCause, context: PlanContext) -> tuple[Candidate, ...]:
    """Return the candidates of one cause with one drawn among those as safe as the next rung.

    The safe ones that were not drawn are rejected by rule `not-drawn`, riskier ones by rule `ladder`. With fewer than
    two safe candidates all are returned unchanged. The same context always draws the same candidate.
    """
    arms = find_equally_safe(candidates, context)
    if len(arms) < 2:
        return tuple(candidates)
    choice = draw([candidates[index] for index in arms], root, context)
    shares = dict(zip(arms, choice.propensities, strict=True))
    odds = ", ".join(f"{candidates[index].actions[0].type} {share:.2f}" for index, share in shares.items())
    results = []
    for index, candidate in enumerate(candidates):
        explored = candidate.model_copy(update={"propensity": shares.get(index, 0.0)})
        if candidate.rejected_by or index == arms[choice.chosen]:
            results.append(explored)
        elif index in shares:
            results.append(reject_candidate(explored, "not-drawn", f"odds of the draw: {odds}"))
        else:
            results.append(reject_candidate(explored, "ladder", f"rung {explored.rung} waits for the drawn one"))
    return tuple(results)


def find_equally_safe(candidates: Sequence[Candidate], context: PlanContext) -> tuple[int, ...]:
    """Return the indexes that may be drawn: open, as risky as the lowest open rung, reversible, without approval."""
    open_candidates = {index: candidate for index, candidate in enumerate(candidates) if not candidate.rejected_by}
    if not open_candidates:
        return ()
    components = len(context.analysis.components)
    lowest_risk = compute_risk(min(open_candidates.values(), key=lambda c: c.rung).actions, components)
    return tuple(
        index
        for index, c in open_candidates.items()
        if compute_risk(c.actions, components) is lowest_risk
        and all(action.inverse is not Inverse.NONE for action in c.actions)
        and not risk_requires_approval(c.actions, lowest_risk, context.settings.approval)
    )


def draw(candidates: Sequence[Candidate], root: RootCause, context: PlanContext) -> ThompsonChoice:
    """Return the choice with the highest drawn score: min(target, confidence × effect) − cost, effects by posterior."""
    posteriors = [
        [
            posterior_for(context.experience.for_action(a.type, root.cause), root.component, context.knowledge)
            for a in arm.actions
        ]
        for arm in candidates
    ]
    benefits = np.minimum(
        context.settings.benefit_target, root.prior_confidence * sample_effects(posteriors, DRAW_COUNT, context.seed)
    )
    return thompson_sample(benefits - np.array([[arm.cost] for arm in candidates]))
