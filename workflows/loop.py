"""MapekLoop: the long-lived intake of one loop. Whoever wants a cycle now asks here, and alerts come in here."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from activities.model.alert import AlertBatch
    from activities.model.alert_state import AlertBook
    from activities.model.cycle import CycleRequest
    from activities.model.intake import Ask, LoopState
    from workflows import names, options
    from workflows.cycle import MapekCycle
    from workflows.search_attributes import attributes, keyword

ASKED_PER_RUN = 500
"""After so many wishes and batches of alerts the run continues as new: a history must not grow for ever."""
RECENT = 10
KEY_LIMIT = 100


@workflow.defn(name="MapekLoop")
class MapekLoop:
    """Starts a cycle for each wish, once per key, and one for all alerts that came in since the last one for alerts."""

    @workflow.init
    def __init__(self, state: LoopState) -> None:
        """Handlers may run before `run`: the state they touch is made here."""
        self.state = state
        self.asked_before = state.asked
        self.batches = 0

    @workflow.run
    async def run(self, state: LoopState) -> None:  # noqa: ARG002 - the SDK wants what __init__ takes
        """Serve until the history is long enough, then go on in a fresh run."""
        while not self.is_long():
            await workflow.wait_condition(lambda: self.is_long() or self.state.alerts.waiting > 0)
            if self.state.alerts.waiting:
                await self.look_at_alerts()
        # A handler still waiting for its cycle to start would lose that start.
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(self.state)

    def is_long(self) -> bool:
        """Tell whether this run has served enough."""
        served = self.state.asked - self.asked_before + self.batches
        return served >= ASKED_PER_RUN or workflow.info().is_continue_as_new_suggested()

    async def look_at_alerts(self) -> None:
        """Start one cycle for all alerts that wait, once the last such cycle is long enough ago.

        A run that gets long meanwhile leaves them to the next one, which has the state.
        """
        rest = self.state.alerts.rest(workflow.now().timestamp())
        if rest > 0:
            try:
                await workflow.wait_condition(self.is_long, timeout=timedelta(seconds=rest))
            except TimeoutError:
                pass
            else:
                return
        now, book = workflow.now(), self.state.alerts
        self.state = self.state.model_copy(update={"alerts": book.covered(now.timestamp())})
        await self.start_cycle("alert", f"{names.time_key(now)}-{book.cycles}", book.reason)

    @workflow.signal(description="alerts that came in, up to 100 at once")
    def alerts(self, batch: AlertBatch) -> None:
        """Take alerts in; `run` starts the cycle, so that a storm of them becomes one."""
        self.batches += 1
        self.state = self.state.model_copy(update={"alerts": self.state.alerts.joined(batch)})

    @workflow.signal(description="run a cycle now: nothing, or {key, reason}")
    async def run_cycle(self, ask: Ask | None = None) -> None:
        """Start a cycle; nobody waits for an answer, so a key that is no name is replaced by the time."""
        ask = ask or Ask()
        await self.run_asked(ask if is_key(ask.key) else ask.model_copy(update={"key": ""}))

    @workflow.update(description="run a cycle now and return its id: {key, reason}")
    async def request_cycle(self, ask: Ask) -> str:
        """Start a cycle and return its id once it is started."""
        return await self.run_asked(ask)

    @request_cycle.validator
    def check_ask(self, ask: Ask) -> None:
        """Refuse a key that could not be part of an id."""
        if not is_key(ask.key):
            raise ApplicationError(f"a key is at most {KEY_LIMIT} characters of {names.NAME.pattern}")

    @workflow.query(description="what was asked of this loop lately, and how many alerts came in")
    def status(self) -> LoopState:
        """Return how many cycles were asked for, the last ids and the counts of alerts, without the alerts known."""
        return self.state.model_copy(update={"alerts": self.state.alerts.model_copy(update={"known": {}})})

    @workflow.query(description="every alert this loop knows, with its newest state")
    def known_alerts(self) -> AlertBook:
        """Return all that is remembered of alerts."""
        return self.state.alerts

    async def run_asked(self, ask: Ask) -> str:
        """Start the wished cycle and return its id."""
        key = ask.key or f"{names.time_key(workflow.now())}-{self.state.asked}"
        self.state = self.state.model_copy(update={"asked": self.state.asked + 1})
        return await self.start_cycle("manual", key, ask.reason)

    async def start_cycle(self, trigger: str, key: str, reason: str) -> str:
        """Start a cycle, detached, and return its id; one that was already there is as good."""
        cycle = names.cycle_id(self.state.loop, trigger, key)
        recent = (*self.state.recent, cycle)[-RECENT:]
        self.state = self.state.model_copy(update={"recent": recent})
        try:
            await workflow.start_child_workflow(
                MapekCycle.run,
                CycleRequest(loop=self.state.loop, trigger=trigger, reason=reason[:200], links=self.state.links),
                id=cycle,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=ParentClosePolicy.ABANDON,
                execution_timeout=options.CYCLE_LIMIT,
                static_summary=keyword(f"cycle of {self.state.loop}, asked for: {reason}"),
                static_details=self.state.links or None,
                search_attributes=attributes({names.LOOP: self.state.loop, names.TRIGGER: trigger}),
            )
        except WorkflowAlreadyStartedError:
            workflow.logger.info("cycle %s is there already", cycle)
        return cycle


def is_key(key: str) -> bool:
    """Tell whether `key` is empty or can be part of a workflow id."""
    return not key or (len(key) <= KEY_LIMIT and names.NAME.fullmatch(key) is not None)
