"""Drawing among equally safe remedies of one cause, where exploring is allowed.

Without exploring, what looked best first is tried for ever, and nothing is learned of the others. With it the rungs
that are as safe as the next one are drawn from their posteriors (Thompson sampling), and each choice is kept with its
probability, without which nobody could say later what another rule would have earned.
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
"""Draws the probabilities are counted in: a standard error below 0.008."""


def cycle_seed(cycle_id: str) -> int:
    """Return the seed of a cycle's draws, 0 to 2³² − 1: another cycle draws anew, the same decided again does not."""
    return int.from_bytes(hashlib.sha256(cycle_id.encode()).digest()[:4])


def explore(candidates: Sequence[Candidate], root: RootCause, context: PlanContext) -> tuple[Candidate, ...]:
    """Return the candidates of one cause with one drawn among those as safe as the next rung.

    The others among them are rejected by rule `not-drawn`, riskier ones wait by rule `ladder`. Where there is nothing
    to draw, all are returned as they are. The same context draws the same.
    """
    arms = find_equally_safe(candidates, context)
    if len(arms) < 2:
        return tuple(candidates)
    choice = draw([candidates[index] for index in arms], root, context)
    shares = dict(zip(arms, choice.propensities, strict=True))
    odds = ", ".join(f"{candidates[index].actions[0].type} {share:.2f}" for index, share in shares.items())
    results = []
    for index, candidate in enumerate(candidates):
        told = candidate.model_copy(update={"propensity": shares.get(index, 0.0)})
        if candidate.rejected_by or index == arms[choice.chosen]:
            results.append(told)
        elif index in shares:
            results.append(reject_candidate(told, "not-drawn", f"drawn by lot: {odds}"))
        else:
            results.append(reject_candidate(told, "ladder", f"rung {told.rung} waits until the one drawn was tried"))
    return tuple(results)


def find_equally_safe(candidates: Sequence[Candidate], context: PlanContext) -> tuple[int, ...]:
    """Return the places of those that may be drawn: open, as risky as the lowest open rung, reversible, unasked."""
    still = {index: candidate for index, candidate in enumerate(candidates) if not candidate.rejected_by}
    if not still:
        return ()
    components = len(context.analysis.components)
    least = compute_risk(min(still.values(), key=lambda c: c.rung).actions, components)
    return tuple(
        index
        for index, c in still.items()
        if compute_risk(c.actions, components) is least
        and all(action.inverse is not Inverse.NONE for action in c.actions)
        and not risk_requires_approval(c.actions, least, context.settings.approval)
    )


def draw(candidates: Sequence[Candidate], root: RootCause, context: PlanContext) -> ThompsonChoice:
    """Return the arm with the highest drawn score: min(target, confidence × effect) − cost, effects as posteriors."""
    beliefs = [
        [
            posterior_for(context.experience.for_action(a.type, root.cause), root.component, context.knowledge)
            for a in arm.actions
        ]
        for arm in candidates
    ]
    worths = np.minimum(
        context.settings.benefit_target, root.prior_confidence * sample_effects(beliefs, DRAW_COUNT, context.seed)
    )
    return thompson_sample(worths - np.array([[arm.cost] for arm in candidates]))
