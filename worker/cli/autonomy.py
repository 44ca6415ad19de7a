"""`mapek autonomy`: how far the loop is trusted with what, and what each next level still needs."""

from typing import Annotated

import typer

from activities.knowledge.autonomy import earned, missing
from activities.model.action import ActionType
from activities.model.autonomy import Autonomy, Evidence, Standing
from activities.model.diagnosis import Cause
from activities.plan.autonomy import ANSWERS
from activities.settings import LoopSettings
from worker.cli import output
from worker.cli.session import AsJson, of, verb


@verb
async def autonomy(
    ctx: typer.Context,
    loop: Annotated[str, typer.Argument(metavar="[LOOP]", help="Only this loop.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show for each action against each cause its level (shadow, suggest, auto), why, and what the next one needs."""
    session = of(ctx)
    loops = [session.loop(loop)] if loop else list(session.config.loops)
    async with session.store(create=True) as store:
        found = {one.name: standings(one, await store.trust.evidence(one.name)) for one in loops}
    if as_json:
        return output.as_json({name: [_figures(s, pinned) for s, pinned in rows] for name, rows in found.items()})
    for name, rows in found.items():
        output.heading(f"loop {name}")
        columns = ("cause", "action", "level", "matches", "fixed", "bound", "harms", "since", "missing")
        output.table(columns, [_row(standing, pinned) for standing, pinned in rows])
    return None


def standings(loop: LoopSettings, evidence: tuple[Evidence, ...]) -> list[tuple[Standing, bool]]:
    """Return every pair's standing with the level in force, and whether a person pinned it."""
    rules = loop.knowledge.autonomy
    known = earned(evidence, loop.first_level, rules)
    return [_in_force(known, cause, action, loop) for cause, actions in ANSWERS.items() for action in actions]


def _in_force(known: Autonomy, cause: Cause, action: ActionType, loop: LoopSettings) -> tuple[Standing, bool]:
    standing, pin = known.standing(cause, action), known.pin(cause, action)
    if standing is None:
        standing = Standing(cause=cause, action=action, level=known.start)
        standing = standing.model_copy(update={"missing": missing(standing, loop.knowledge.autonomy)})
    if pin is None:
        return standing, False
    return standing.model_copy(update={"level": pin.level, "missing": "pinned by the configuration"}), True


def _figures(standing: Standing, pinned: bool) -> dict[str, object]:
    return {**standing.model_dump(mode="json"), "pinned": pinned}


def _row(standing: Standing, pinned: bool) -> list[str]:
    return [
        standing.cause,
        standing.action,
        f"{standing.level} (pinned)" if pinned else str(standing.level),
        f"{standing.matches} − {standing.misses}",
        f"{standing.good} of {standing.outcomes}",
        f"{standing.bound:.3f}",
        str(standing.harms),
        output.when(standing.since),
        standing.missing,
    ]
