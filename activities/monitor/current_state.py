"""The present state: violations, blind components and Charter's own state."""

from dataclasses import dataclass

from activities.model.charter import Committee, Policy
from activities.model.snapshot import AnalysisInput
from activities.model.types import MetricKey
from activities.monitor.judgement import Judgement
from activities.monitor.silences import ALL_COMPONENTS
from activities.monitor.visibility import REMOTES


@dataclass(frozen=True)
class CurrentState:
    """The violated (component, metric) pairs, the blind components ("*": all of them), and Charter's own state.

    `committee` and `policies` are None if Charter cannot be read.
    """

    violated: frozenset[MetricKey]
    blind: frozenset[str]
    committee: Committee | None
    policies: tuple[Policy, ...] | None

    def may_hide(self, targets: tuple[MetricKey, ...]) -> bool:
        """Return whether a blind spot may hide a violation of these pairs."""
        components = {component for component, _ in targets} | {ALL_COMPONENTS, *REMOTES}
        return bool(self.blind.intersection(components))

    def are_resolved(self, targets: tuple[MetricKey, ...]) -> bool:
        """Return whether all these pairs are visible and none is violated."""
        return not self.violated.intersection(targets) and not self.may_hide(targets)


def build_current_state(analysis_input: AnalysisInput, judgement: Judgement) -> CurrentState:
    """Return the state at the last instant of the input."""
    return CurrentState(
        violated=frozenset(violation.key for violation in judgement.violations),
        blind=frozenset(spot.component for spot in judgement.blind)
        | (frozenset() if judgement.tracks else {ALL_COMPONENTS}),
        committee=analysis_input.committee,
        policies=None if analysis_input.committee is None else analysis_input.policies,
    )
