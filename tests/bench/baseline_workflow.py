"""The floor: a workflow whose one activity makes a cycle's requests, with nothing of ours in between."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey

OUTCOME = SearchAttributeKey.for_keyword("MapekOutcome")


@workflow.defn(name="BareCycle")
class BaselineCycle:
    """One activity and one upsert: the same kinds of tasks as a healthy cycle."""

    @workflow.run
    async def run(self, loop: str) -> str:
        """Make the requests and say so."""
        answer: str = await workflow.execute_activity(
            "bare-requests", loop, start_to_close_timeout=timedelta(seconds=8), summary="the same requests"
        )
        workflow.upsert_search_attributes([OUTCOME.value_set("healthy")])
        return answer
