"""What upkeep sees now. Pure."""

from dataclasses import dataclass

from activities.model.charter import Committee, Policy
from activities.model.snapshot import AnalysisInput
from activities.monitor.judgement import judge
from activities.monitor.silences import EVERYTHING
from activities.monitor.visibility import REMOTES


@dataclass(frozen=True)
class Seen:
    """One look: the (component, metric) pairs violated, the components that cannot be judged ("*" all), and Charter.

    `committee` and `policies` are None if Charter could not be read.
    """

    violated: frozenset[tuple[str, str]]
    blind: frozenset[str]
    committee: Committee | None
    policies: tuple[Policy, ...] | None

    def hidden(self, targets: tuple[tuple[str, str], ...]) -> bool:
        """Tell whether some of these pairs could be violated without being seen."""
        watched = {component for component, _ in targets} | {EVERYTHING, *REMOTES}
        return bool(self.blind.intersection(watched))

    def gone(self, targets: tuple[tuple[str, str], ...]) -> bool:
        """Tell whether no violation of these pairs is left, seen and not assumed."""
        return not self.violated.intersection(targets) and not self.hidden(targets)


def seen_of(source: AnalysisInput) -> Seen:
    """Return what the judgement makes of an input, at its last instant."""
    judged = judge(source)
    return Seen(
        violated=frozenset(violation.key for violation in judged.violations),
        blind=frozenset(spot.component for spot in judged.blind) | ({EVERYTHING} if not judged.tracks else set()),
        committee=source.committee,
        policies=None if source.committee is None else source.policies,
    )
