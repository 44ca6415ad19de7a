"""MapekLoop: the long-lived intake of one loop. Whoever wants a cycle now asks here."""

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from activities.model.cycle import CycleRequest
    from activities.model.intake import Ask, LoopState
    from workflows import names, options
    from workflows.attributes import attributes
    from workflows.cycle import MapekCycle

ASKED_PER_RUN = 500
"""After so many the run continues as new: a history must not grow for ever."""
RECENT = 10
KEY_LIMIT = 100


@workflow.defn(name="MapekLoop")
class MapekLoop:
    """Starts a cycle for each wish, once per key."""

    @workflow.init
    def __init__(self, state: LoopState) -> None:
        """Handlers may run before `run`: the state they touch is made here."""
        self.state = state
        self.asked_before = state.asked

    @workflow.run
    async def run(self, state: LoopState) -> None:  # noqa: ARG002 - the SDK wants what __init__ takes
        """Serve until the history is long enough, then go on in a fresh run."""
        await workflow.wait_condition(self.is_long)
        # A handler still waiting for its cycle to start would lose that start.
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(self.state)

    def is_long(self) -> bool:
        """Tell whether this run has served enough."""
        asked = self.state.asked - self.asked_before
        return asked >= ASKED_PER_RUN or workflow.info().is_continue_as_new_suggested()

    @workflow.signal(description="run a cycle now: nothing, or {key, reason}")
    async def run_cycle(self, ask: Ask | None = None) -> None:
        """Start a cycle; nobody waits for an answer, so a key that is no name is replaced by the time."""
        ask = ask or Ask()
        await self.start_cycle(ask if is_key(ask.key) else ask.model_copy(update={"key": ""}))

    @workflow.update(description="run a cycle now and return its id: {key, reason}")
    async def request_cycle(self, ask: Ask) -> str:
        """Start a cycle and return its id once it is started."""
        return await self.start_cycle(ask)

    @request_cycle.validator
    def check_ask(self, ask: Ask) -> None:
        """Refuse a key that could not be part of an id."""
        if not is_key(ask.key):
            raise ApplicationError(f"a key is at most {KEY_LIMIT} characters of {names.NAME.pattern}")

    @workflow.query(description="what was asked of this loop lately")
    def status(self) -> LoopState:
        """Return how many cycles were asked for, and the last ids."""
        return self.state

    async def start_cycle(self, ask: Ask) -> str:
        """Start the wished cycle, detached, and return its id; one that was already there is as good."""
        key = ask.key or f"{names.time_key(workflow.now())}-{self.state.asked}"
        cycle = names.cycle_id(self.state.loop, "manual", key)
        recent = (*self.state.recent, cycle)[-RECENT:]
        self.state = self.state.model_copy(update={"asked": self.state.asked + 1, "recent": recent})
        try:
            await workflow.start_child_workflow(
                MapekCycle.run,
                CycleRequest(loop=self.state.loop, trigger="manual", reason=ask.reason[:200], links=self.state.links),
                id=cycle,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=ParentClosePolicy.ABANDON,
                execution_timeout=options.CYCLE_LIMIT,
                static_summary=f"cycle of {self.state.loop}, asked for: {ask.reason}"[:180],
                static_details=self.state.links or None,
                search_attributes=attributes({names.LOOP: self.state.loop, names.TRIGGER: "manual"}),
            )
        except WorkflowAlreadyStartedError:
            workflow.logger.info("cycle %s is there already", cycle)
        return cycle


def is_key(key: str) -> bool:
    """Tell whether `key` is empty or can be part of a workflow id."""
    return not key or (len(key) <= KEY_LIMIT and names.NAME.fullmatch(key) is not None)
