"""Which candidate wins: first against its own alternatives, then against the other causes.

What is chosen never depends on a passing block: those are asked afterwards, of the winners alone. So a guard that is
added can only take a plan away; it never makes room for one that was second best.
"""

from dataclasses import dataclass, replace

from activities.model.candidate import Candidate
from activities.model.charter import Committee
from activities.model.decision import Block
from activities.model.diagnosis import RootCause
from activities.model.storm import Storm
from activities.plan.autonomy import held
from activities.plan.context import PlanContext
from activities.plan.exploration import explored
from activities.plan.guards.base import Conditions
from activities.plan.guards.core import LASTING, PASSING, confidence, first_block, silence
from activities.plan.ladder import only_next, rejected, tried, without_tried
from activities.plan.score import scored
from activities.plan.strategies import Ground, remedies


@dataclass(frozen=True)
class Option:
    """A candidate with the cause it answers and the guard that stopped it, if one did."""

    root: RootCause
    candidate: Candidate
    block: Block | None = None

    @property
    def open(self) -> bool:
        """Whether nothing has rejected it yet."""
        return not self.candidate.rejected_by

    def stopped(self, rule: str, reason: str) -> "Option":
        """Return it rejected by a rule of the choice itself."""
        return replace(self, candidate=rejected(self.candidate, rule, reason))

    def blocked(self, block: Block) -> "Option":
        """Return it rejected by a guard."""
        return replace(self.stopped(block.rule, block.reason), block=block)


def options(context: PlanContext, committee: Committee, storm: Storm | None) -> tuple[Option, ...]:
    """Return every candidate considered, by score, each rejected one with its rule; the open ones are to be planned.

    At most one is open per knob and per cause, and none in a storm.
    """
    at_hand = Conditions(
        at=context.at,
        mode=context.mode,
        guards=context.guards,
        committee=committee,
        settings=context.settings,
        policies=context.analysis.policies,
        loop=context.loop,
        components=len(context.analysis.components),
        storm=storm,
    )
    causes = context.diagnosis.root_causes
    found = [option for root in causes for option in _of_cause(root, committee, context, at_hand)]
    contested = _contest(sorted(found, key=_rank))
    return tuple(sorted((_guarded(o, context, at_hand) for o in contested), key=lambda o: (not o.open, _rank(o))))


def _rank(option: Option) -> tuple[float, str, str, str, int]:
    c = option.candidate
    return (-c.score, c.knob, c.cause, c.component, c.rung)


def _of_cause(root: RootCause, committee: Committee, context: PlanContext, at_hand: Conditions) -> tuple[Option, ...]:
    ground = Ground(root, committee, context.analysis.topology, context.settings)
    sections = (context.settings, context.knowledge)
    listed = [
        scored(root, rung, actions, context.experience, sections)
        for rung, alternatives in enumerate(remedies(ground))
        for actions in alternatives
    ][: context.settings.max_policies_per_analysis]
    judged = [_judged(Option(root, c), at_hand) for c in without_tried(listed, tried(context.guards, root))]
    at_choice = [o.candidate for o in judged]
    laddered = only_next(explored(at_choice, root, context) if context.settings.exploring else at_choice)
    return _best_only([replace(o, candidate=c) for o, c in zip(judged, laddered, strict=True)])


def _judged(option: Option, at_hand: Conditions) -> Option:
    candidate = option.candidate
    if not option.open:
        return option
    if candidate.score <= 0.0:
        reason = f"benefit {candidate.benefit:.3f} − cost {candidate.cost:.3f} = {candidate.score:+.3f} ≤ 0"
        return option.stopped("score", reason)
    if candidate.lower < at_hand.settings.least_effect:
        reason = f"it helps at a rate above {candidate.lower:.3f} < {at_hand.settings.least_effect:.3f} with 95 %"
        return option.stopped("evidence", reason)
    block = first_block(LASTING, candidate.actions, at_hand)
    return option if block is None else option.blocked(block)


def _best_only(listed: list[Option]) -> tuple[Option, ...]:
    best = min((o for o in listed if o.open), key=_rank, default=None)
    if best is None:
        return tuple(listed)
    chosen = replace(best, candidate=best.candidate.model_copy(update={"propensity": best.candidate.propensity or 1.0}))
    return tuple(chosen if o is best else _outscored(o, best) if o.open else o for o in listed)


def _contest(listed: list[Option]) -> list[Option]:
    """Give each knob, and the violations of each cause, to the best option; `listed` is by score."""
    knobs: dict[str, Option] = {}
    answered: dict[tuple[str, str], Option] = {}
    results = []
    for option in listed:
        result = _against(option, knobs, answered) if option.open else option
        results.append(result)
        if result.open:
            knobs[option.candidate.knob] = option
            answered.update({pair: option for pair in option.root.pairs if pair not in answered})
    return results


def _against(option: Option, knobs: dict[str, Option], answered: dict[tuple[str, str], Option]) -> Option:
    taken = knobs.get(option.candidate.knob)
    if taken is not None:
        ahead = taken.candidate
        reason = f"{ahead.cause} takes {ahead.knob}: score {ahead.score:+.3f} ≥ {option.candidate.score:+.3f}"
        return option.stopped("knob-taken", reason)
    better = [answered.get(pair) for pair in option.root.pairs]
    # Two remedies for the same violations at once: nobody could tell which of them helped.
    if better and better[0] is not None and None not in better:
        return _outscored(option, better[0])
    return option


def _outscored(option: Option, best: Option) -> Option:
    ahead = best.candidate
    what = " then ".join(action.text for action in ahead.actions)
    return option.stopped("outscored", f"{what}: score {ahead.score:+.3f} ≥ {option.candidate.score:+.3f}")


def _guarded(option: Option, context: PlanContext, at_hand: Conditions) -> Option:
    if not option.open:
        return option
    root, actions = option.root, option.candidate.actions
    about = replace(at_hand, trouble=(root.cause.value, root.component))
    suffering = (root.component, *(component for component, _ in root.pairs))
    block = (
        confidence(root, context.diagnosis, actions, context.settings.min_confidence)
        or first_block(PASSING, actions, about)
        or silence(suffering, context.silenced, actions)
        or held(root.cause, actions, context.autonomy)
    )
    return option if block is None else option.blocked(block)
