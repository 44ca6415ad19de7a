"""Storm mode: when many components are in trouble at the same time, suspect the monitor. How a storm starts and ends.

The leading diagnosis explains the components that calls connect to it. Much trouble elsewhere at the same time means
that the observation itself may be wrong. The affected fraction is counted twice, and the lower count is used: over all
components, and with the whole committee as one. A committee may outnumber the services, and its trouble alone is no
storm.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from activities.analyze.causes.symptoms import connected_components
from activities.model.action import COMMITTEE
from activities.model.diagnosis import Diagnosis
from activities.model.snapshot import AnalysisInput
from activities.model.storm import Storm
from activities.model.topology import Topology
from activities.monitor.visibility import REMOTES
from activities.plan.guards.base import Actions, GuardInput
from activities.plan.guards.settings import StormSettings


@dataclass(frozen=True)
class TroubleScope:
    """All watched components, those in trouble or blind, and those that the leading diagnosis explains.

    `members` are those of the committee; `explained` are the components of the first root cause, with its own.
    """

    components: frozenset[str]
    members: frozenset[str]
    violated: frozenset[str]
    blind: frozenset[str]
    explained: frozenset[str]
    topology: Topology


@dataclass(frozen=True)
class StormMetrics:
    """How much of a scope is wrong. Fractions are 0 to 1 of all components.

    `unexplained_count` counts the components in trouble that the leading diagnosis does not explain.
    `affected_fraction` is the share in trouble or blind, the lower one of two counts: each member for itself, and the
    committee as one group. `affected_groups` counts with the committee as one group.
    """

    unexplained_count: int
    unexplained_fraction: float
    affected_fraction: float
    affected_groups: int

    @property
    def summary(self) -> str:
        """The numbers in one line."""
        count, fraction = self.unexplained_count, self.unexplained_fraction
        unexplained = f"{count} components ({fraction:.0%}) in trouble that the leading cause does not explain"
        return f"{unexplained}, {self.affected_fraction:.0%} in trouble or blind"


def judge_storm(
    current_storm: Storm | None, analysis_input: AnalysisInput, diagnosis: Diagnosis, loop: str, settings: StormSettings
) -> Storm | None:
    """Return the storm of a loop after an observation and its diagnosis, None if there is none or it is over.

    Cycle, remediation and upkeep all judge here, each by the diagnosis of its own observation.
    """
    return derive_storm(
        current_storm, build_trouble_scope(analysis_input, diagnosis), loop, analysis_input.at, settings
    )


def derive_storm(
    current_storm: Storm | None, scope: TroubleScope | None, loop: str, at: float, settings: StormSettings
) -> Storm | None:
    """Return the storm of a loop after the observation at `at` (unix seconds), None if there is none or it is over.

    It is over when trouble would have started no storm for `exit_hold` seconds, even with the limits of both fractions
    multiplied by `exit_factor`. Without a scope the observation is incomplete: it starts no storm, and the calm time of
    a current one begins again.
    """
    if scope is None:
        return current_storm.model_copy(update={"calm_since": None}) if current_storm else None
    metrics = measure_storm(scope)
    if current_storm is None:
        return Storm(loop=loop, since=at, reason=metrics.summary) if _is_storm(metrics, settings, 1.0) else None
    storm = current_storm.model_copy(update={"reason": metrics.summary})
    if _is_storm(metrics, settings, settings.exit_factor):
        return storm.model_copy(update={"calm_since": None})
    calm_since = at if storm.calm_since is None else storm.calm_since
    is_over = at - calm_since >= settings.exit_hold
    return None if is_over else storm.model_copy(update={"calm_since": calm_since})


def build_trouble_scope(analysis_input: AnalysisInput, diagnosis: Diagnosis) -> TroubleScope | None:
    """Return the scope of an observation, with the components that the leading cause explains.

    None if the committee or a remote could not be read: nothing follows from half an observation.
    """
    committee = analysis_input.committee
    if committee is None or any(spot.component in REMOTES for spot in diagnosis.blind):
        return None
    return TroubleScope(
        components=frozenset(analysis_input.components),
        members=frozenset(member.name for member in committee.members),
        violated=frozenset(violation.component for violation in diagnosis.violations),
        blind=frozenset(spot.component for spot in diagnosis.blind),
        explained=explained_components(diagnosis),
        topology=analysis_input.topology,
    )


def explained_components(diagnosis: Diagnosis) -> frozenset[str]:
    """Return the components that the first root cause explains, with its own; none without a cause."""
    return frozenset(
        name
        for root in diagnosis.root_causes[:1]
        for name in (root.component, *(component for component, _ in root.violated_pairs))
    )


def measure_storm(scope: TroubleScope) -> StormMetrics:
    """Return how much of the scope is wrong; without components nothing is."""
    troubled = scope.violated & scope.components
    affected = troubled | (scope.blind & scope.components)
    unexplained = len(troubled - _connected_to_diagnosis(scope, troubled))
    groups, affected_groups = _groups_of(scope.components, scope), _groups_of(affected, scope)
    total = max(1, len(scope.components))
    fraction = min(len(affected) / total, len(affected_groups) / max(1, len(groups)))
    return StormMetrics(unexplained, unexplained / total, fraction, len(affected_groups))


def storm_guard(_: Actions, guard_input: GuardInput) -> str:
    """Refuse to act while the loop is in storm mode."""
    storm = guard_input.storm
    if storm is None:
        return ""
    return f"storm for {guard_input.at - storm.since:.0f} s, only observed: {storm.reason}"


def _is_storm(metrics: StormMetrics, settings: StormSettings, factor: float) -> bool:
    """Return whether trouble is a storm with the limits of both fractions multiplied by `factor`."""
    is_unexplained = (
        metrics.unexplained_count >= settings.min_components
        and metrics.unexplained_fraction > settings.unexplained_fraction * factor
    )
    is_wide = (
        metrics.affected_groups >= settings.min_components
        and metrics.affected_fraction > settings.affected_fraction * factor
    )
    return is_unexplained or is_wide


def _connected_to_diagnosis(scope: TroubleScope, troubled: frozenset[str]) -> frozenset[str]:
    """Return the troubled components that calls between troubled components connect to the leading diagnosis.

    Members are connected through the committee, so each of them counts under its name.
    """
    leading = _groups_of(scope.explained, scope)
    connected = connected_components(scope.topology, _groups_of(troubled, scope) | leading)
    near = frozenset[str]().union(*(groups for groups in connected if groups & leading))
    return frozenset(component for component in troubled if _group_of(component, scope) in near)


def _group_of(component: str, scope: TroubleScope) -> str:
    return COMMITTEE if component in scope.members else component


def _groups_of(components: Iterable[str], scope: TroubleScope) -> frozenset[str]:
    return frozenset(_group_of(component, scope) for component in components)
