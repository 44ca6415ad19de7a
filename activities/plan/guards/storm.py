"""When most things look broken, suspect the monitor: entering storm mode, staying in it, leaving it.

The leading diagnosis is believed about what hangs together with it by calls; trouble elsewhere at the same time speaks
against the picture as a whole. The members of the committee count as one place wherever a share of everything is
taken: otherwise any trouble of a committee that outnumbers the services would be a storm by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from activities.analyze.causes.symptoms import connected_components
from activities.model.action import COMMITTEE
from activities.model.charter import Committee
from activities.model.decision import Block
from activities.model.diagnosis import Diagnosis
from activities.model.snapshot import AnalysisInput
from activities.model.storm import Storm
from activities.model.topology import Topology
from activities.monitor.judgement import Judgement
from activities.monitor.visibility import REMOTES
from activities.plan.guards.base import Actions, GuardInput, make_block
from activities.plan.guards.settings import StormSettings


@dataclass(frozen=True)
class TroubleScope:
    """All that is watched, what of it is in trouble or cannot be seen, and where the leading diagnosis is.

    `members` are those of the committee; `leading` are the components the first root cause explains, with its own.
    """

    components: frozenset[str]
    members: frozenset[str]
    violated: frozenset[str]
    blind: frozenset[str]
    explained: frozenset[str]
    topology: Topology


@dataclass(frozen=True)
class StormMetrics:
    """How much of a scene is wrong. Shares are 0 to 1 of all components.

    `unexplained` counts the components in trouble that the leading diagnosis does not explain. `ill` is the share of
    those in trouble or blind, the lower one of two counts: each member for itself, and the committee as one. `places`
    is how many are so with the committee as one.
    """

    unexplained_count: int
    unexplained_fraction: float
    affected_fraction: float
    affected_groups: int

    @property
    def summary(self) -> str:
        """The numbers in one line."""
        return (
            f"{self.unexplained_count} components ({self.unexplained_fraction:.0%}) in trouble that the leading cause does not "
            f"explain, {self.affected_fraction:.0%} in trouble or blind"
        )


def build_trouble_scope(
    analysis_input: AnalysisInput, committee: Committee, findings: Diagnosis | Judgement, explained: Iterable[str]
) -> TroubleScope:
    """Return what is watched, what of it was found wrong, and the components the leading diagnosis explains."""
    return TroubleScope(
        components=frozenset(analysis_input.components),
        members=frozenset(member.name for member in committee.members),
        violated=frozenset(violation.component for violation in findings.violations),
        blind=frozenset(spot.component for spot in findings.blind),
        explained=frozenset(explained),
        topology=analysis_input.topology,
    )


def explained_components(diagnosis: Diagnosis) -> tuple[str, ...]:
    """Return the components the first root cause explains, with its own, sorted; none if there is no cause."""
    return tuple(
        sorted({name for r in diagnosis.root_causes[:1] for name in (r.component, *(c for c, _ in r.violated_pairs))})
    )


def measure_storm(scope: TroubleScope) -> StormMetrics:
    """Return how much of the scene is wrong; of nothing that is watched nothing is."""
    troubled = scope.violated & scope.components
    ill = troubled | (scope.blind & scope.components)
    unexplained = len(troubled - _connected_to_diagnosis(scope, troubled))
    places = {_group_of(component, scope) for component in scope.components}
    ill_places = {_group_of(component, scope) for component in ill}
    number = max(1, len(scope.components))
    share = min(len(ill) / number, len(ill_places) / max(1, len(places)))
    return StormMetrics(unexplained, unexplained / number, share, len(ill_places))


def next_storm(
    current_storm: Storm | None, metrics: StormMetrics, loop: str, at: float, settings: StormSettings
) -> Storm | None:
    """Return the storm after this look at `at` (unix seconds), None if there is none or it is over.

    It is over when both shares stayed below `leave` times the limit that starts one for `leave_seconds`.
    """
    if current_storm is None:
        return Storm(loop=loop, since=at, reason=metrics.summary) if _starts_storm(metrics, settings) else None
    if not _is_calm(metrics, settings):
        return current_storm.model_copy(update={"calm_since": None})
    since = at if current_storm.calm_since is None else current_storm.calm_since
    over = at - since >= settings.exit_hold
    return None if over else current_storm.model_copy(update={"calm_since": since})


def storm_without_diagnosis(
    current_storm: Storm, analysis_input: AnalysisInput, judgement: Judgement, settings: StormSettings
) -> Storm | None:
    """Return the storm after a look without a diagnosis, None if it is over: then nothing in trouble is explained.

    A look at less than everything calms nothing.
    """
    if analysis_input.committee is None or any(spot.component in REMOTES for spot in judgement.blind):
        return current_storm.model_copy(update={"calm_since": None})
    scene = build_trouble_scope(analysis_input, analysis_input.committee, judgement, explained=())
    return next_storm(current_storm, measure_storm(scene), current_storm.loop, analysis_input.at, settings)


def storm_guard(actions: Actions, guard_input: GuardInput) -> Block | None:
    """Refuse to act while the loop is in storm mode."""
    present = guard_input.storm
    if present is None:
        return None
    ago = guard_input.at - present.since
    return make_block("storm", actions, f"storm for {ago:.0f} s, only observed: {present.reason}")


def _starts_storm(metrics: StormMetrics, settings: StormSettings) -> bool:
    several = (
        metrics.unexplained_count >= settings.min_components and metrics.unexplained_fraction > settings.unexplained
    )
    return several or (
        metrics.affected_groups >= settings.min_components and metrics.affected_fraction > settings.affected_fraction
    )


def _is_calm(metrics: StormMetrics, settings: StormSettings) -> bool:
    low = settings.unexplained * settings.exit_factor, settings.affected_fraction * settings.exit_factor
    return metrics.unexplained_fraction < low[0] and metrics.affected_fraction < low[1]


def _connected_to_diagnosis(scope: TroubleScope, violated: frozenset[str]) -> frozenset[str]:
    """Return what hangs together with the leading diagnosis by calls between what is in trouble.

    Members hang together through the committee, so they are looked for under its name.
    """
    leading = _groups_of(scope.explained, scope)
    groups = connected_components(scope.topology, _groups_of(violated, scope) | leading)
    near = frozenset[str]().union(*(group for group in groups if group & leading))
    return frozenset(component for component in violated if _group_of(component, scope) in near)


def _group_of(component: str, scope: TroubleScope) -> str:
    return COMMITTEE if component in scope.members else component


def _groups_of(components: Iterable[str], scope: TroubleScope) -> frozenset[str]:
    return frozenset(_group_of(component, scope) for component in components)
