"""`mapek autonomy`: how far the loop is trusted with what, and what each next level still needs."""

from typing import Annotated

import typer

from activities.knowledge.autonomy import compute_autonomy, promotion_blocker
from activities.model.action import ActionType
from activities.model.autonomy import Autonomy, AutonomyRecord, TrustEvidence
from activities.model.diagnosis import Cause
from activities.plan.autonomy import AUTONOMY_PAIRS
from activities.settings import LoopSettings
from worker.cli import output
from worker.cli.session import JsonOption, async_command, current_session


@async_command
async def autonomy(
    ctx: typer.Context,
    loop: Annotated[str, typer.Argument(metavar="[LOOP]", help="Only this loop.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show for each action against each cause its level (shadow, suggest, auto), why, and what the next one needs."""
    session = current_session(ctx)
    loops = [session.loop(loop)] if loop else list(session.config.loops)
    async with session.open_store(create=True) as store:
        found = {one.name: autonomy_records(one, await store.autonomy.load_evidence(one.name)) for one in loops}
    if as_json:
        return output.print_json(
            {name: [_record_fields(s, pinned) for s, pinned in rows] for name, rows in found.items()}
        )
    for name, rows in found.items():
        output.print_heading(f"loop {name}")
        columns = ("cause", "action", "level", "matches", "fixed", "bound", "harms", "since", "missing")
        output.print_table(columns, [_format_row(standing, pinned) for standing, pinned in rows])
    return None


def autonomy_records(loop: LoopSettings, evidence: tuple[TrustEvidence, ...]) -> list[tuple[AutonomyRecord, bool]]:
    """Return every pair's standing with the level in force, and whether a person pinned it."""
    rules = loop.knowledge.autonomy
    known = compute_autonomy(evidence, loop.initial_level, rules)
    return [
        _effective_record(known, cause, action, loop) for cause, actions in AUTONOMY_PAIRS.items() for action in actions
    ]


def _effective_record(
    earned_autonomy: Autonomy, cause: Cause, action: ActionType, loop: LoopSettings
) -> tuple[AutonomyRecord, bool]:
    standing, pin = earned_autonomy.find_record(cause, action), earned_autonomy.find_override(cause, action)
    if standing is None:
        standing = AutonomyRecord(cause=cause, action=action, level=earned_autonomy.start)
        standing = standing.model_copy(
            update={"promotion_blocker": promotion_blocker(standing, loop.knowledge.autonomy)}
        )
    if pin is None:
        return standing, False
    return standing.model_copy(update={"level": pin.level, "promotion_blocker": "pinned by the configuration"}), True


def _record_fields(record: AutonomyRecord, is_overridden: bool) -> dict[str, object]:
    return {**record.model_dump(mode="json"), "pinned": is_overridden}


def _format_row(record: AutonomyRecord, is_overridden: bool) -> list[str]:
    return [
        record.cause,
        record.action,
        f"{record.level} (pinned)" if is_overridden else str(record.level),
        f"{record.matches} − {record.misses}",
        f"{record.successes} of {record.outcomes}",
        f"{record.success_lower_bound:.3f}",
        str(record.harmful),
        output.format_time(record.since),
        record.promotion_blocker,
    ]
