"""Every attempt at changing Charter leaves two rows in the audit: one before it is sent, one when it is answered."""

from collections.abc import Callable
from dataclasses import dataclass

from activities.clients.charter import CharterClient
from activities.clients.store.audit import Audit
from activities.model.audit import AuditEntry
from activities.model.charter import ChangeCall, Changed
from activities.model.effect import Direction
from activities.model.errors import FinalError, MapekError
from activities.model.plan import Plan
from activities.model.types import clipped

OK = 200


@dataclass(frozen=True)
class Attempts:
    """The attempts at one step of one plan in one direction. `clock` gives unix seconds, `asked` as in `Effect`."""

    charter: CharterClient
    audit: Audit
    clock: Callable[[], float]
    worker: str
    plan: Plan
    step: int
    direction: Direction
    asked: float

    async def made(self) -> tuple[AuditEntry, ...]:
        """Return the rows of all attempts so far, the oldest first; whichever worker or run made them."""
        rows = await self.audit.of_plan(self.plan.plan_id)
        return tuple(row for row in rows if (row.step, row.direction) == (self.step, self.direction.value))

    async def change(self, call: ChangeCall) -> Changed:
        """Send the change. The row before it is what tells a later attempt that it may have been done.

        Raises: as `CharterClient.change`; StoreUnavailable: without the row before it nothing is sent.
        """
        number = 1 + sum(row.phase == "before" for row in await self.made())
        await self.note(call, number, "before", text=call.path)
        try:
            changed = await self.charter.change(call)
        except MapekError as error:
            refused = isinstance(error, FinalError)
            text = f"{'refused' if refused else 'no answer'}: {type(error).__name__}: {error}"
            await self.note(call, number, "refused" if refused else "after", status=error.status, text=text)
            raise
        text = "replayed: it had been done before" if changed.replayed else "done"
        await self.note(call, number, "after", status=OK, text=text, generation=changed.generation)
        return changed

    async def note(
        self,
        call: ChangeCall,
        attempt: int,
        phase: str,
        *,
        text: str,
        status: int | None = None,
        generation: int | None = None,
    ) -> None:
        """Append one row."""
        await self.audit.append(
            AuditEntry(
                at=self.clock(),
                kind="attempt",
                loop=self.plan.loop,
                plan_id=self.plan.plan_id,
                knob=self.plan.knob,
                key=call.key,
                step=self.step,
                direction=self.direction.value,
                phase=phase,
                attempt=attempt,
                status=status,
                generation_before=call.generation,
                generation_after=generation,
                worker=self.worker,
                text=clipped(text, 300),
            )
        )
