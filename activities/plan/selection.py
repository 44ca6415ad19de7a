"""Which candidate wins: the best one against a cause, then the best one of all causes.

The choice never depends on a temporary guard: those are checked afterwards, for the winners alone. So a further guard
can only take a plan away. It never makes room for the second best.
"""

from dataclasses import dataclass, replace

from activities.model.candidate import Candidate
from activities.model.charter import Committee
from activities.model.decision import Block
from activities.model.diagnosis import RootCause
from activities.model.storm import Storm
from activities.plan.context import PlanContext
from activities.plan.exploration import explore
from activities.plan.guards.base import GuardInput
from activities.plan.guards.table import RUNG_SKIPPING_GUARDS, TEMPORARY_GUARDS, Stage, find_block
from activities.plan.ladder import keep_next_rung, reject_candidate, reject_used_rungs, used_rungs
from activities.plan.score import score_candidate
from activities.plan.strategies import StrategyContext, build_ladder


@dataclass(frozen=True)
class Option:
    """A candidate with the cause it answers, and the block of the guard that rejected it, if one did."""

    root: RootCause
    candidate: Candidate
    block: Block | None = None

    @property
    def is_open(self) -> bool:
        """Whether no rule has rejected it."""
        return not self.candidate.rejected_by

    def reject(self, rule: str, reason: str) -> "Option":
        """Return the option rejected by a rule of the choice itself."""
        return replace(self, candidate=reject_candidate(self.candidate, rule, reason))

    def reject_with_block(self, block: Block) -> "Option":
        """Return the option rejected by a guard."""
        return replace(self.reject(block.rule, block.reason), block=block)


def evaluate_candidates(context: PlanContext, committee: Committee, storm: Storm | None) -> tuple[Option, ...]:
    """Return every considered candidate, by score, each rejected one with its rule; the open ones are to be planned.

    At most one is open per knob and per cause, and none in a storm.
    """
    options = [
        option
        for root in context.diagnosis.root_causes
        for option in _evaluate_cause(committee, context, _build_guard_input(root, committee, context, storm))
    ]
    resolved = _resolve_conflicts(sorted(options, key=_sort_key))
    checked = [_apply_temporary_guards(o, _build_guard_input(o.root, committee, context, storm)) for o in resolved]
    return tuple(sorted(checked, key=lambda option: (not option.is_open, _sort_key(option))))


def _build_guard_input(root: RootCause, committee: Committee, context: PlanContext, storm: Storm | None) -> GuardInput:
    return GuardInput(
        at=context.at,
        mode=context.mode,
        guards=context.guards,
        settings=context.settings,
        root=root,
        confidence=context.diagnosis.confidence,
        autonomy=context.autonomy,
        committee=committee,
        policies=context.analysis.policies,
        loop=context.loop,
        component_count=len(context.analysis.components),
        storm=storm,
        silenced=context.silenced,
    )


def _sort_key(option: Option) -> tuple[float, str, str, str, int]:
    c = option.candidate
    return (-c.score, c.knob, c.cause, c.component, c.rung)


def _evaluate_cause(committee: Committee, context: PlanContext, guard_input: GuardInput) -> tuple[Option, ...]:
    root = guard_input.root
    strategy_context = StrategyContext(root, committee, context.analysis.topology, context.settings)
    sections = (context.settings, context.knowledge)
    candidates = [
        score_candidate(root, rung, actions, context.experience, sections)
        for rung, alternatives in enumerate(build_ladder(strategy_context))
        for actions in alternatives
    ][: context.settings.max_policies_per_analysis]
    screened = [
        _screen_option(Option(root, candidate), guard_input)
        for candidate in reject_used_rungs(candidates, used_rungs(context.guards, root))
    ]
    screened_candidates = [option.candidate for option in screened]
    if context.settings.exploring:
        screened_candidates = list(explore(screened_candidates, root, context))
    next_rung = keep_next_rung(screened_candidates)
    return _keep_best([replace(option, candidate=c) for option, c in zip(screened, next_rung, strict=True)])


def _screen_option(option: Option, guard_input: GuardInput) -> Option:
    candidate = option.candidate
    if not option.is_open:
        return option
    if candidate.score <= 0.0:
        reason = f"benefit {candidate.benefit:.3f} − cost {candidate.cost:.3f} = {candidate.score:+.3f} ≤ 0"
        return option.reject("score", reason)
    if candidate.effectiveness_lower_bound < guard_input.settings.min_effectiveness:
        lower_bound, minimum = candidate.effectiveness_lower_bound, guard_input.settings.min_effectiveness
        reason = f"effectiveness lower bound {lower_bound:.3f} (95 %) < plan.min_effectiveness {minimum:.3f}"
        return option.reject("evidence", reason)
    block = find_block(Stage.PLAN, candidate.actions, guard_input, RUNG_SKIPPING_GUARDS)
    return option if block is None else option.reject_with_block(block)


def _keep_best(options: list[Option]) -> tuple[Option, ...]:
    best = min((o for o in options if o.is_open), key=_sort_key, default=None)
    if best is None:
        return tuple(options)
    chosen = replace(best, candidate=best.candidate.model_copy(update={"propensity": best.candidate.propensity or 1.0}))
    return tuple(chosen if o is best else _reject_outscored(o, best) if o.is_open else o for o in options)


def _resolve_conflicts(options: list[Option]) -> list[Option]:
    """Give each knob, and the violations of each cause, to the best option; `options` are sorted by score."""
    claimed_knobs: dict[str, Option] = {}
    claimed_pairs: dict[tuple[str, str], Option] = {}
    results = []
    for option in options:
        result = _reject_if_taken(option, claimed_knobs, claimed_pairs) if option.is_open else option
        results.append(result)
        if result.is_open:
            claimed_knobs[option.candidate.knob] = option
            claimed_pairs.update({pair: option for pair in option.root.violated_pairs if pair not in claimed_pairs})
    return results


def _reject_if_taken(
    option: Option, claimed_knobs: dict[str, Option], claimed_pairs: dict[tuple[str, str], Option]
) -> Option:
    holder = claimed_knobs.get(option.candidate.knob)
    if holder is not None:
        winner = holder.candidate
        reason = f"{winner.cause} takes {winner.knob}: score {winner.score:+.3f} ≥ {option.candidate.score:+.3f}"
        return option.reject("knob-taken", reason)
    better = [claimed_pairs.get(pair) for pair in option.root.violated_pairs]
    # With two simultaneous remedies for the same violations it would be unknown which of them helped.
    if better and better[0] is not None and None not in better:
        return _reject_outscored(option, better[0])
    return option


def _reject_outscored(option: Option, best: Option) -> Option:
    winner = best.candidate
    actions = " then ".join(action.summary for action in winner.actions)
    return option.reject("outscored", f"{actions}: score {winner.score:+.3f} ≥ {option.candidate.score:+.3f}")


def _apply_temporary_guards(option: Option, guard_input: GuardInput) -> Option:
    if not option.is_open:
        return option
    block = find_block(Stage.PLAN, option.candidate.actions, guard_input, TEMPORARY_GUARDS)
    return option if block is None else option.reject_with_block(block)
