"""The upgrade gate on real processes: a worker of the new code finishes remediations that the old code started.

The new code is a copy of this tree in which a remediation has a further step, guarded by `workflow.patched` as the
runbook requires. Old and new code serve the queues together for a while, as in a rolling deploy.
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

REMEDIATION_MODULE = "workflows/remediation.py"
COPIED_FOLDERS = ("workflows", "activities", "worker", "deploy", "tests")
OLD_SOURCE = "        result = await self.run_verification(rollback=False)\n"
NEW_SOURCE = OLD_SOURCE + ('        if workflow.patched("one-step-more"):\n            await workflow.sleep(0.01)\n')
"""The change: one timer after the verification, guarded by a patch."""


def write_new_code(folder: Path) -> Path:
    """Write the new code to a folder and return it. Raises: ValueError (the text to edit was not found)."""
    for room in COPIED_FOLDERS:
        shutil.copytree(REPOSITORY_ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "pictures"))
    file = folder / REMEDIATION_MODULE
    file.write_text(add_step(file.read_text()))
    return folder


def add_step(source: str) -> str:
    """Return the remediation's source with the further step. Raises: ValueError (the text to edit is not in it)."""
    if source.count(OLD_SOURCE) != 1:
        raise ValueError(
            f"{REMEDIATION_MODULE}: {source.count(OLD_SOURCE)} times {OLD_SOURCE.strip()!r}, expected once"
        )
    return source.replace(OLD_SOURCE, NEW_SOURCE)


async def run_upgrade(fleet: Fleet, sites: tuple[Site, ...], folder: Path) -> list[str]:
    """Deploy the new code while remediations are in flight. Return the failures, one line each."""
    code = write_new_code(folder)
    await fleet.preload_worker((str(shutil.which("env")), "-C", str(code), f"PYTHONPATH={code}"))
    for site in sites:
        await site.inject_fault("overload", "policy-engine")
    await wait_until("verifications started by the old code", lambda: list_verifying(fleet, len(sites)), 90.0)
    started = await list_verifying(fleet, len(sites))
    await fleet.start_worker("new")
    await wait_until_serving(fleet, "new")
    await fleet.kill_worker("first")
    fleet.workers["first"] = fleet.workers.pop("new")
    started_ids = {remediation.run_id for remediation in started}
    unfinished = [run for run in await list_verifying(fleet, 1) if run.run_id in started_ids]
    await wait_until("the end of the remediations of the old code", lambda: is_idle(fleet), 120.0)
    for site in sites:
        await site.clear_faults()
    failures = [text for run in unfinished for text in await check_remediation(fleet, run)]
    await fleet.kill_worker("first")
    await fleet.start_worker("first")
    await wait_until_serving(fleet)
    return failures or ([] if unfinished else ["the old code had finished everything before the new one served"])


async def check_remediation(fleet: Fleet, remediation: InFlightRemediation) -> list[str]:
    """Return the failures of a remediation that the new code must finish."""
    history = await remediation.get_handle(fleet.client).fetch_history()
    kinds = [event.event_type for event in history.events]
    failures = []
    if EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED not in kinds:
        failures.append(f"{remediation.workflow_id} was not finished")
    if EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED in kinds:
        failures.append(f"{remediation.workflow_id} had a workflow task that failed")
    if EventType.EVENT_TYPE_MARKER_RECORDED not in kinds:
        failures.append(f"{remediation.workflow_id} was not finished by the new code")
    return failures
