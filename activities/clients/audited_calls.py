"""Requests that change Charter, each with an audit row before it is sent and one after its response."""

from collections.abc import Callable
from dataclasses import dataclass

from activities.clients.charter import CharterClient
from activities.clients.store.audit import AuditLog
from activities.model.audit import AttemptPhase, AuditEntry, AuditKind
from activities.model.charter import ChangeRequest, ChangeResult
from activities.model.effect import Direction
from activities.model.errors import FinalError, MapekError
from activities.model.plan import Plan
from activities.model.types import truncate

HTTP_OK = 200


@dataclass(frozen=True)
class AuditedStep:
    """One step of one plan in one direction. `clock` returns unix seconds, `requested_at` is as in `Effect`."""

    charter: CharterClient
    audit: AuditLog
    clock: Callable[[], float]
    worker_identity: str
    plan: Plan
    step: int
    direction: Direction
    requested_at: float

    async def load_attempts(self) -> tuple[AuditEntry, ...]:
        """Return the rows of all attempts, the oldest first, of every worker and run."""
        rows = await self.audit.load_for_plan(self.plan.plan_id)
        return tuple(row for row in rows if (row.step, row.direction) == (self.step, self.direction.value))

    async def change(self, change_request: ChangeRequest) -> ChangeResult:
        """Send the change. The row before it shows a later attempt that the change may be applied.

        Raises what `CharterClient.change` raises, and:
            StoreUnavailable: the row before could not be written; nothing was sent.
        """
        number = 1 + sum(row.phase is AttemptPhase.BEFORE for row in await self.load_attempts())
        await self.write_row(change_request, number, AttemptPhase.BEFORE, summary=change_request.path)
        try:
            result = await self.charter.change(change_request)
        except MapekError as error:
            refused = isinstance(error, FinalError)
            text = f"{'refused' if refused else 'no response'}: {type(error).__name__}: {error}"
            await self.write_row(
                change_request,
                number,
                AttemptPhase.REFUSED if refused else AttemptPhase.AFTER,
                status=error.status,
                summary=text,
            )
            raise
        text = "replayed: it was applied before" if result.replayed else "applied"
        await self.write_row(
            change_request, number, AttemptPhase.AFTER, status=HTTP_OK, summary=text, generation=result.generation
        )
        return result

    async def write_row(
        self,
        change_request: ChangeRequest,
        attempt: int,
        phase: AttemptPhase,
        *,
        summary: str,
        status: int | None = None,
        generation: int | None = None,
    ) -> None:
        """Append one row."""
        await self.audit.append(
            AuditEntry(
                at=self.clock(),
                kind=AuditKind.ATTEMPT,
                loop=self.plan.loop,
                plan_id=self.plan.plan_id,
                knob=self.plan.knob,
                key=change_request.key,
                step=self.step,
                direction=self.direction.value,
                phase=phase,
                attempt=attempt,
                status=status,
                generation_before=change_request.generation,
                generation_after=generation,
                worker_identity=self.worker_identity,
                summary=truncate(summary, 300),
            )
        )
