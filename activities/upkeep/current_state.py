"""What upkeep sees now. Pure."""

from dataclasses import dataclass

from activities.model.charter import Committee, Policy
from activities.model.snapshot import AnalysisInput
from activities.monitor.judgement import judge
from activities.monitor.silences import ALL_COMPONENTS
from activities.monitor.visibility import REMOTES


@dataclass(frozen=True)
class CurrentState:
    """One look: the (component, metric) pairs violated, the components that cannot be judged ("*" all), and Charter.

    `committee` and `policies` are None if Charter could not be read.
    """

    violated: frozenset[tuple[str, str]]
    blind: frozenset[str]
    committee: Committee | None
    policies: tuple[Policy, ...] | None

    def may_hide(self, targets: tuple[tuple[str, str], ...]) -> bool:
        """Tell whether some of these pairs could be violated without being seen."""
        watched = {component for component, _ in targets} | {ALL_COMPONENTS, *REMOTES}
        return bool(self.blind.intersection(watched))

    def are_resolved(self, targets: tuple[tuple[str, str], ...]) -> bool:
        """Tell whether no violation of these pairs is left, seen and not assumed."""
        return not self.violated.intersection(targets) and not self.may_hide(targets)


def build_current_state(analysis_input: AnalysisInput) -> CurrentState:
    """Return what the judgement makes of an input, at its last instant."""
    judged = judge(analysis_input)
    return CurrentState(
        violated=frozenset(violation.key for violation in judged.violations),
        blind=frozenset(spot.component for spot in judged.blind) | ({ALL_COMPONENTS} if not judged.tracks else set()),
        committee=analysis_input.committee,
        policies=None if analysis_input.committee is None else analysis_input.policies,
    )
