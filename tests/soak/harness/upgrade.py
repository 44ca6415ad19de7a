"""The upgrade gate on real processes: what a worker of the old code began, one of the new code finishes.

The new code is a copy of this tree in which a remediation has a step more, guarded by `workflow.patched` as the
runbook asks of every such change. Old and new serve the queues together for a while, as in a rolling deploy.
"""

import shutil
from pathlib import Path

from temporalio.api.enums.v1 import EventType

from deploy.devstack.render import REPOSITORY_ROOT
from tests.soak.harness.fleet import Fleet, wait_until_serving
from tests.soak.harness.in_flight import InFlightRemediation
from tests.soak.harness.measurements import is_idle, list_verifying
from tests.soak.harness.sites import Site
from tests.support.waiting import wait_until

COPIED_FOLDERS = ("workflows", "activities", "worker", "deploy", "tests")
OLD_SOURCE = '        self.phase("verifying")\n        return await self.judged(rollback=False)\n'
NEW_SOURCE = '        self.phase("verifying")\n        done = await self.judged(rollback=False)\n' + (
    '        if workflow.patched("one-step-more"):\n            await workflow.sleep(0.01)\n        return done\n'
)
"""The change: one timer after the verification, which nothing begun before has passed."""


def write_new_code(folder: Path) -> Path:
    """Make the new code in a folder and return it. Raises: ValueError (the text it edits is not there any more)."""
    for room in COPIED_FOLDERS:
        shutil.copytree(REPOSITORY_ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "pictures"))
    file = folder / "workflows/remediation.py"
    text = file.read_text()
    if text.count(OLD_SOURCE) != 1:
        raise ValueError("the remediation's verification is written in another way now")
    file.write_text(text.replace(OLD_SOURCE, NEW_SOURCE))
    return folder


async def run_upgrade(fleet: Fleet, sites: tuple[Site, ...], folder: Path) -> list[str]:
    """Deploy the new code while remediations are in flight. Return what went wrong, one line each."""
    code = write_new_code(folder)
    await fleet.preload_worker((str(shutil.which("env")), "-C", str(code), f"PYTHONPATH={code}"))
    for site in sites:
        await site.inject_fault("overload", "policy-engine")
    await wait_until("verifications begun by the old code", lambda: list_verifying(fleet, len(sites)), 90.0)
    begun = await list_verifying(fleet, len(sites))
    await fleet.start_worker("new")
    await wait_until_serving(fleet, "new")
    await fleet.kill_worker("first")
    fleet.workers["first"] = fleet.workers.pop("new")
    left = [one for one in await list_verifying(fleet, 1) if one.run_id in {old.run_id for old in begun}]
    await wait_until("the end of what the old code began", lambda: is_idle(fleet), 120.0)
    for site in sites:
        await site.clear_faults()
    told = [text for one in left for text in await check_remediation(fleet, one)]
    await fleet.kill_worker("first")
    await fleet.start_worker("first")
    await wait_until_serving(fleet)
    return told or ([] if left else ["the old code had finished everything before the new one served"])


async def check_remediation(fleet: Fleet, remediation: InFlightRemediation) -> list[str]:
    """Return what is wrong with a remediation that the new code had to finish."""
    history = await remediation.get_handle(fleet.client).fetch_history()
    kinds = [event.event_type for event in history.events]
    wrong = []
    if EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED not in kinds:
        wrong.append(f"{remediation.workflow_id} was not finished")
    if EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED in kinds:
        wrong.append(f"{remediation.workflow_id} had a workflow task that failed")
    if EventType.EVENT_TYPE_MARKER_RECORDED not in kinds:
        wrong.append(f"{remediation.workflow_id} was not finished by the new code")
    return wrong
