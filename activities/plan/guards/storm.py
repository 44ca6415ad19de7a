"""When most things look broken, suspect the monitor: entering storm mode, staying in it, leaving it.

The leading diagnosis is believed about what hangs together with it by calls; trouble elsewhere at the same time speaks
against the picture as a whole. The members of the committee count as one place wherever a share of everything is
taken: otherwise any trouble of a committee that outnumbers the services would be a storm by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from activities.analyze.causes.symptoms import connected
from activities.model.action import COMMITTEE
from activities.model.charter import Committee
from activities.model.decision import Block
from activities.model.diagnosis import Diagnosis
from activities.model.snapshot import AnalysisInput
from activities.model.storm import Storm
from activities.model.topology import Topology
from activities.monitor.judgement import Judged
from activities.monitor.visibility import REMOTES
from activities.plan.guards.base import Actions, Conditions, blocked
from activities.plan.guards.settings import StormSettings


@dataclass(frozen=True)
class Scene:
    """All that is watched, what of it is in trouble or cannot be seen, and where the leading diagnosis is.

    `members` are those of the committee; `leading` are the components the first root cause explains, with its own.
    """

    components: frozenset[str]
    members: frozenset[str]
    troubled: frozenset[str]
    blind: frozenset[str]
    leading: frozenset[str]
    topology: Topology


@dataclass(frozen=True)
class Weight:
    """How much of a scene is wrong. Shares are 0 to 1 of all components.

    `unexplained` counts the components in trouble that the leading diagnosis does not explain. `ill` is the share of
    those in trouble or blind, the lower one of two counts: each member for itself, and the committee as one. `places`
    is how many are so with the committee as one.
    """

    unexplained: int
    unexplained_share: float
    ill: float
    places: int

    @property
    def text(self) -> str:
        """The numbers in one line."""
        return (
            f"{self.unexplained} components ({self.unexplained_share:.0%}) in trouble that the leading cause does not "
            f"explain, {self.ill:.0%} in trouble or blind"
        )


def scene_of(source: AnalysisInput, committee: Committee, found: Diagnosis | Judged, leading: Iterable[str]) -> Scene:
    """Return what is watched, what of it was found wrong, and the components the leading diagnosis explains."""
    return Scene(
        components=frozenset(source.components),
        members=frozenset(member.name for member in committee.members),
        troubled=frozenset(violation.component for violation in found.violations),
        blind=frozenset(spot.component for spot in found.blind),
        leading=frozenset(leading),
        topology=source.topology,
    )


def leading_of(diagnosis: Diagnosis) -> tuple[str, ...]:
    """Return the components the first root cause explains, with its own, sorted; none if there is no cause."""
    return tuple(sorted({name for r in diagnosis.root_causes[:1] for name in (r.component, *(c for c, _ in r.pairs))}))


def weigh(scene: Scene) -> Weight:
    """Return how much of the scene is wrong; of nothing that is watched nothing is."""
    troubled = scene.troubled & scene.components
    ill = troubled | (scene.blind & scene.components)
    unexplained = len(troubled - _explained(scene, troubled))
    places = {_place(component, scene) for component in scene.components}
    ill_places = {_place(component, scene) for component in ill}
    number = max(1, len(scene.components))
    share = min(len(ill) / number, len(ill_places) / max(1, len(places)))
    return Weight(unexplained, unexplained / number, share, len(ill_places))


def following(standing: Storm | None, weight: Weight, loop: str, at: float, settings: StormSettings) -> Storm | None:
    """Return the storm after this look at `at` (unix seconds), None if there is none or it is over.

    It is over when both shares stayed below `leave` times the limit that starts one for `leave_seconds`.
    """
    if standing is None:
        return Storm(loop=loop, since=at, why=weight.text) if _starts(weight, settings) else None
    if not _calm(weight, settings):
        return standing.model_copy(update={"calm_since": None})
    since = at if standing.calm_since is None else standing.calm_since
    over = at - since >= settings.leave_seconds
    return None if over else standing.model_copy(update={"calm_since": since})


def watched_storm(standing: Storm, source: AnalysisInput, judged: Judged, settings: StormSettings) -> Storm | None:
    """Return the storm after a look without a diagnosis, None if it is over: then nothing in trouble is explained.

    A look at less than everything calms nothing.
    """
    if source.committee is None or any(spot.component in REMOTES for spot in judged.blind):
        return standing.model_copy(update={"calm_since": None})
    scene = scene_of(source, source.committee, judged, leading=())
    return following(standing, weigh(scene), standing.loop, source.at, settings)


def storm(actions: Actions, conditions: Conditions) -> Block | None:
    """Refuse to act while the loop is in storm mode."""
    present = conditions.storm
    if present is None:
        return None
    ago = conditions.at - present.since
    return blocked("storm", actions, f"storm for {ago:.0f} s, only observed: {present.why}")


def _starts(weight: Weight, settings: StormSettings) -> bool:
    several = weight.unexplained >= settings.least and weight.unexplained_share > settings.unexplained
    return several or (weight.places >= settings.least and weight.ill > settings.ill)


def _calm(weight: Weight, settings: StormSettings) -> bool:
    low = settings.unexplained * settings.leave, settings.ill * settings.leave
    return weight.unexplained_share < low[0] and weight.ill < low[1]


def _explained(scene: Scene, troubled: frozenset[str]) -> frozenset[str]:
    """Return what hangs together with the leading diagnosis by calls between what is in trouble.

    Members hang together through the committee, so they are looked for under its name.
    """
    leading = _places(scene.leading, scene)
    groups = connected(scene.topology, _places(troubled, scene) | leading)
    near = frozenset[str]().union(*(group for group in groups if group & leading))
    return frozenset(component for component in troubled if _place(component, scene) in near)


def _place(component: str, scene: Scene) -> str:
    return COMMITTEE if component in scene.members else component


def _places(components: Iterable[str], scene: Scene) -> frozenset[str]:
    return frozenset(_place(component, scene) for component in components)
