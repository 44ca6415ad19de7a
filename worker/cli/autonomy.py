"""`mapek autonomy`: the level of each action against each cause, and what the next level requires."""

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
    """Show the level (shadow, suggest, auto) of each action against each cause, and what the next level requires."""
    session = current_session(ctx)
    loops = [session.loop(loop)] if loop else list(session.config.loops)
    async with session.open_store(create=True) as store:
        records = {
            settings.name: autonomy_records(settings, await store.autonomy.load_evidence(settings.name))
            for settings in loops
        }
    if as_json:
        return output.print_json(
            {name: [_record_fields(record, pinned) for record, pinned in rows] for name, rows in records.items()}
        )
    for name, rows in records.items():
        output.print_heading(f"loop {name}")
        columns = ("cause", "action", "level", "matches", "fixed", "bound", "harmful", "since", "required")
        output.print_table(columns, [_format_row(record, pinned) for record, pinned in rows])
    return None


def autonomy_records(loop: LoopSettings, evidence: tuple[TrustEvidence, ...]) -> list[tuple[AutonomyRecord, bool]]:
    """Return the record of every pair with its level in force, and whether the configuration sets that level."""
    rules = loop.knowledge.autonomy
    autonomy = compute_autonomy(evidence, loop.initial_level, rules)
    return [
        _effective_record(autonomy, cause, action, loop)
        for cause, actions in AUTONOMY_PAIRS.items()
        for action in actions
    ]


def _effective_record(
    autonomy: Autonomy, cause: Cause, action: ActionType, loop: LoopSettings
) -> tuple[AutonomyRecord, bool]:
    record, override = autonomy.find_record(cause, action), autonomy.find_override(cause, action)
    if record is None:
        record = AutonomyRecord(cause=cause, action=action, level=autonomy.start)
        record = record.model_copy(update={"promotion_blocker": promotion_blocker(record, loop.knowledge.autonomy)})
    if override is None:
        return record, False
    return record.model_copy(update={"level": override.level, "promotion_blocker": "set by the configuration"}), True


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
