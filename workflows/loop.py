"""MapekLoop: the long-lived intake of one loop. It takes alerts and requests for cycles."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from activities.model import identifiers
    from activities.model.alert import AlertBatch
    from activities.model.alert_state import AlertState
    from activities.model.cycle import CycleRequest, Trigger
    from activities.model.loop_state import LoopState, ManualCycleRequest
    from workflows import options, search_attributes
    from workflows.cycle import MapekCycle
    from workflows.search_attributes import build_search_attributes, truncate_keyword

MAX_REQUESTS_PER_RUN = 500
"""Requests and alert batches after which the run continues as new: a history must stay bounded."""
MAX_RECENT_CYCLES = 10
MAX_KEY_LENGTH = 100


@workflow.defn(name=identifiers.WorkflowName.LOOP)
class MapekLoop:
    """Starts one cycle per request key, and one per batch of alerts."""

    @workflow.init
    def __init__(self, state: LoopState) -> None:
        """Create the state here: handlers can run before `run`."""
        self.state = state
        self.request_count_before = state.request_count
        self.batches = 0

    @workflow.run
    async def run(self, state: LoopState) -> None:  # noqa: ARG002 - the SDK requires the parameters of __init__
        """Serve until the history is long, then continue as new."""
        while not self.should_continue_as_new():
            await workflow.wait_condition(lambda: self.should_continue_as_new() or self.state.alerts.pending > 0)
            if self.state.alerts.pending:
                await self.start_alert_cycle()
        # A handler still waiting for its cycle to start would lose that start.
        await workflow.wait_condition(workflow.all_handlers_finished)
        alerts = self.state.alerts.without_future_starts(workflow.now().timestamp())
        workflow.continue_as_new(self.state.model_copy(update={"alerts": alerts}))

    def should_continue_as_new(self) -> bool:
        """Return whether the history of this run is long enough."""
        served = self.state.request_count - self.request_count_before + self.batches
        return served >= MAX_REQUESTS_PER_RUN or workflow.info().is_continue_as_new_suggested()

    async def start_alert_cycle(self) -> None:
        """Start one cycle for all pending alerts, once the debounce since the last such cycle is over.

        If the run gets long meanwhile, the next run starts the cycle: it has the state.
        """
        remaining = self.state.alerts.debounce_remaining(workflow.now().timestamp())
        if remaining > 0:
            try:
                await workflow.wait_condition(self.should_continue_as_new, timeout=timedelta(seconds=remaining))
            except TimeoutError:
                pass
            else:
                return
        now, alerts = workflow.now(), self.state.alerts
        self.state = self.state.model_copy(update={"alerts": alerts.mark_processed(now.timestamp())})
        await self.start_cycle(Trigger.ALERT, f"{identifiers.timestamp_key(now)}-{alerts.cycles}", alerts.reason)

    @workflow.signal(name="alerts", description="new alerts, at most 100 per batch")
    def receive_alerts(self, batch: AlertBatch) -> None:
        """Take alerts; `run` starts the cycle, so that a storm of alerts becomes one cycle."""
        self.batches += 1
        self.state = self.state.model_copy(update={"alerts": self.state.alerts.merge(batch)})

    @workflow.signal(description="run a cycle now: no argument, or {key, reason}")
    async def run_cycle(self, request: ManualCycleRequest | None = None) -> None:
        """Start a cycle. A signal has no reply to refuse by, so the time replaces an invalid key."""
        request = request or ManualCycleRequest()
        await self.start_requested_cycle(
            request if is_valid_key(request.key) else request.model_copy(update={"key": ""})
        )

    @workflow.update(description="run a cycle now and return its id: {key, reason}")
    async def request_cycle(self, request: ManualCycleRequest) -> str:
        """Start a cycle and return its id."""
        return await self.start_requested_cycle(request)

    @request_cycle.validator
    def validate_request(self, request: ManualCycleRequest) -> None:
        """Refuse a key that cannot be part of an id."""
        if not is_valid_key(request.key):
            raise ApplicationError(
                f"invalid key {request.key[:MAX_KEY_LENGTH]!r}: use at most {MAX_KEY_LENGTH} characters"
                f" that match {identifiers.NAME_PATTERN.pattern}"
            )

    @workflow.query(description="the last cycles, and the counts of requests and alerts")
    def status(self) -> LoopState:
        """Return the state without the known alerts."""
        return self.state.model_copy(update={"alerts": self.state.alerts.model_copy(update={"last_states": {}})})

    @workflow.query(description="every known alert with its newest state")
    def known_alerts(self) -> AlertState:
        """Return the state of all known alerts."""
        return self.state.alerts

    async def start_requested_cycle(self, request: ManualCycleRequest) -> str:
        """Start the requested cycle and return its id."""
        key = request.key or f"{identifiers.timestamp_key(workflow.now())}-{self.state.request_count}"
        self.state = self.state.model_copy(update={"request_count": self.state.request_count + 1})
        return await self.start_cycle(Trigger.MANUAL, key, request.reason)

    async def start_cycle(self, trigger: Trigger, key: str, reason: str) -> str:
        """Start a detached cycle and return its id. A cycle that already exists counts as started."""
        cycle = identifiers.cycle_id(self.state.loop, trigger, key)
        recent = (*self.state.recent, cycle)[-MAX_RECENT_CYCLES:]
        self.state = self.state.model_copy(update={"recent": recent})
        try:
            await workflow.start_child_workflow(
                MapekCycle.run,
                CycleRequest(loop=self.state.loop, trigger=trigger, reason=reason[:200], links=self.state.links),
                id=cycle,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=ParentClosePolicy.ABANDON,
                execution_timeout=options.CYCLE_EXECUTION_TIMEOUT,
                static_summary=truncate_keyword(f"cycle of {self.state.loop}, asked for: {reason}"),
                static_details=self.state.links or None,
                search_attributes=build_search_attributes(
                    {search_attributes.LOOP: self.state.loop, search_attributes.TRIGGER: trigger}
                ),
            )
        except WorkflowAlreadyStartedError:
            workflow.logger.info("cycle %s already exists", cycle)
        return cycle


def is_valid_key(key: str) -> bool:
    """Return whether `key` is empty or can be part of a workflow id."""
    return not key or (len(key) <= MAX_KEY_LENGTH and identifiers.NAME_PATTERN.fullmatch(key) is not None)
