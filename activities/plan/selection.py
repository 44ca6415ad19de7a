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
from activities.plan.autonomy import autonomy_guard
from activities.plan.context import PlanContext
from activities.plan.exploration import explore
from activities.plan.guards.base import GuardInput
from activities.plan.guards.core import (
    PERMANENT_GUARDS,
    TRANSIENT_GUARDS,
    confidence_guard,
    find_first_block,
    silenced_guard,
)
from activities.plan.ladder import keep_next_rung, reject_candidate, reject_used_rungs, used_rungs
from activities.plan.score import score_candidate
from activities.plan.strategies import StrategyContext, build_ladder


@dataclass(frozen=True)
class Option:
    """A candidate with the cause it answers and the guard that stopped it, if one did."""

    root: RootCause
    candidate: Candidate
    block: Block | None = None

    @property
    def is_open(self) -> bool:
        """Whether nothing has rejected it yet."""
        return not self.candidate.rejected_by

    def reject(self, rule: str, reason: str) -> "Option":
        """Return it rejected by a rule of the choice itself."""
        return replace(self, candidate=reject_candidate(self.candidate, rule, reason))

    def reject_with_block(self, block: Block) -> "Option":
        """Return it rejected by a guard."""
        return replace(self.reject(block.rule, block.reason), block=block)


def evaluate_candidates(context: PlanContext, committee: Committee, storm: Storm | None) -> tuple[Option, ...]:
    """Return every candidate considered, by score, each rejected one with its rule; the open ones are to be planned.

    At most one is open per knob and per cause, and none in a storm.
    """
    at_hand = GuardInput(
        at=context.at,
        mode=context.mode,
        guards=context.guards,
        committee=committee,
        settings=context.settings,
        policies=context.analysis.policies,
        loop=context.loop,
        component_count=len(context.analysis.components),
        storm=storm,
    )
    causes = context.diagnosis.root_causes
    found = [option for root in causes for option in _evaluate_cause(root, committee, context, at_hand)]
    contested = _resolve_conflicts(sorted(found, key=_sort_key))
    return tuple(
        sorted(
            (_apply_transient_guards(o, context, at_hand) for o in contested),
            key=lambda o: (not o.is_open, _sort_key(o)),
        )
    )


def _sort_key(option: Option) -> tuple[float, str, str, str, int]:
    c = option.candidate
    return (-c.score, c.knob, c.cause, c.component, c.rung)


def _evaluate_cause(
    root: RootCause, committee: Committee, context: PlanContext, guard_input: GuardInput
) -> tuple[Option, ...]:
    ground = StrategyContext(root, committee, context.analysis.topology, context.settings)
    sections = (context.settings, context.knowledge)
    listed = [
        score_candidate(root, rung, actions, context.experience, sections)
        for rung, alternatives in enumerate(build_ladder(ground))
        for actions in alternatives
    ][: context.settings.max_policies_per_analysis]
    judged = [
        _screen_option(Option(root, c), guard_input)
        for c in reject_used_rungs(listed, used_rungs(context.guards, root))
    ]
    at_choice = [o.candidate for o in judged]
    laddered = keep_next_rung(explore(at_choice, root, context) if context.settings.exploring else at_choice)
    return _keep_best([replace(o, candidate=c) for o, c in zip(judged, laddered, strict=True)])


def _screen_option(option: Option, guard_input: GuardInput) -> Option:
    candidate = option.candidate
    if not option.is_open:
        return option
    if candidate.score <= 0.0:
        reason = f"benefit {candidate.benefit:.3f} − cost {candidate.cost:.3f} = {candidate.score:+.3f} ≤ 0"
        return option.reject("score", reason)
    if candidate.effectiveness_lower_bound < guard_input.settings.min_effectiveness:
        reason = f"it helps at a rate above {candidate.effectiveness_lower_bound:.3f} < {guard_input.settings.min_effectiveness:.3f} with 95 %"
        return option.reject("evidence", reason)
    block = find_first_block(PERMANENT_GUARDS, candidate.actions, guard_input)
    return option if block is None else option.reject_with_block(block)


def _keep_best(options: list[Option]) -> tuple[Option, ...]:
    best = min((o for o in options if o.is_open), key=_sort_key, default=None)
    if best is None:
        return tuple(options)
    chosen = replace(best, candidate=best.candidate.model_copy(update={"propensity": best.candidate.propensity or 1.0}))
    return tuple(chosen if o is best else _reject_outscored(o, best) if o.is_open else o for o in options)


def _resolve_conflicts(options: list[Option]) -> list[Option]:
    """Give each knob, and the violations of each cause, to the best option; `listed` is by score."""
    knobs: dict[str, Option] = {}
    answered: dict[tuple[str, str], Option] = {}
    results = []
    for option in options:
        result = _reject_if_taken(option, knobs, answered) if option.is_open else option
        results.append(result)
        if result.is_open:
            knobs[option.candidate.knob] = option
            answered.update({pair: option for pair in option.root.violated_pairs if pair not in answered})
    return results


def _reject_if_taken(
    option: Option, claimed_knobs: dict[str, Option], claimed_pairs: dict[tuple[str, str], Option]
) -> Option:
    taken = claimed_knobs.get(option.candidate.knob)
    if taken is not None:
        ahead = taken.candidate
        reason = f"{ahead.cause} takes {ahead.knob}: score {ahead.score:+.3f} ≥ {option.candidate.score:+.3f}"
        return option.reject("knob-taken", reason)
    better = [claimed_pairs.get(pair) for pair in option.root.violated_pairs]
    # Two remedies for the same violations at once: nobody could tell which of them helped.
    if better and better[0] is not None and None not in better:
        return _reject_outscored(option, better[0])
    return option


def _reject_outscored(option: Option, best: Option) -> Option:
    ahead = best.candidate
    what = " then ".join(action.summary for action in ahead.actions)
    return option.reject("outscored", f"{what}: score {ahead.score:+.3f} ≥ {option.candidate.score:+.3f}")


def _apply_transient_guards(option: Option, context: PlanContext, guard_input: GuardInput) -> Option:
    if not option.is_open:
        return option
    root, actions = option.root, option.candidate.actions
    about = replace(guard_input, cause_key=(root.cause.value, root.component))
    suffering = (root.component, *(component for component, _ in root.violated_pairs))
    block = (
        confidence_guard(root, context.diagnosis, actions, context.settings.min_confidence)
        or find_first_block(TRANSIENT_GUARDS, actions, about)
        or silenced_guard(suffering, context.silenced, actions)
        or autonomy_guard(root.cause, actions, context.autonomy)
    )
    return option if block is None else option.reject_with_block(block)
