"""Records a golden history for every scenario without one: `python -m tests.workflows.record_histories`.

Golden histories are only ever added. An existing one represents workflows that older code started. A change that cannot
replay it would break them, and needs `workflow.patched`, not a new recording.
"""

import asyncio
import hashlib
import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DefaultFailureConverter, PayloadConverter
from temporalio.testing import WorkflowEnvironment

from deploy.devstack import binaries
from tests.workflows.cycle_scenarios import CYCLE_SCENARIOS
from tests.workflows.loop_scenarios import LOOP_SCENARIOS, UPKEEP_SCENARIOS
from tests.workflows.remediation_scenarios import REMEDIATION_SCENARIOS
from tests.workflows.workflow_env import CLIENT_IDENTITY, open_workflow_env

FORMER_HISTORIES = Path(__file__).parent / "histories"
"""With the workflow type `Remediation` and the former field names; complete, nothing is added."""
HISTORIES = Path(__file__).parent / "histories_mapek_remediation"
"""With the workflow type `MapekRemediation` and the present field names; new scenarios are recorded here."""
CHECKSUMS_NAME = "SHA256SUMS"
SCENARIOS = {
    f"{workflow}-{name}": scenario
    for workflow, scenarios in (
        ("cycle", CYCLE_SCENARIOS),
        ("remediation", REMEDIATION_SCENARIOS),
        ("loop", LOOP_SCENARIOS),
        ("upkeep", UPKEEP_SCENARIOS),
    )
    for name, scenario in scenarios.items()
}
SUGGEST_AT = "limit.historyCount.suggestContinueAsNew=100"
"""Events after which the server suggests to continue as new; no other scenario is so long."""


class FailureConverterWithoutStack(DefaultFailureConverter):
    """Omits stack traces: they would name files of the recording machine."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Fill the failure without its stack trace."""
        super().to_failure(exception, payload_converter, failure)
        failure.stack_trace = ""


async def record_missing_histories() -> list[str]:
    """Record the missing histories and return their names."""
    servers = await binaries.ensure_binaries()
    missing = [name for name in SCENARIOS if not (HISTORIES / f"{name}.json").exists()]
    converter = replace(pydantic_data_converter, failure_converter_class=FailureConverterWithoutStack)
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(servers["temporal"].path),
        dev_server_log_level="error",
        dev_server_extra_args=["--dynamic-config-value", SUGGEST_AT],
        identity=CLIENT_IDENTITY,
    )
    async with environment:
        address = environment.client.service_client.config.target_host
        async with open_workflow_env(address, "recording", converter=converter) as env:
            for name in missing:
                run = await SCENARIOS[name](env)
                write_history(name, json.loads((await run.fetch_history()).to_json()))
    return missing


def write_history(name: str, history: dict[str, Any]) -> None:
    """Write a history and its checksum.

    Raises:
        FileExistsError: a history of this name exists.
    """
    content = json.dumps(history, separators=(",", ":"), sort_keys=True).encode() + b"\n"
    HISTORIES.mkdir(exist_ok=True)
    with (HISTORIES / f"{name}.json").open("xb") as file:
        file.write(content)
    with (HISTORIES / CHECKSUMS_NAME).open("a") as sums:
        sums.write(f"{hashlib.sha256(content).hexdigest()}  {name}.json\n")


if __name__ == "__main__":
    logging.disable()  # the failures in the scripts are intended
    recorded = asyncio.run(record_missing_histories())
    sys.stdout.write("".join(f"{name}\n" for name in recorded) or "every scenario has its golden history\n")
    sys.stdout.flush()
    # The SDK sometimes aborts at interpreter exit, after all work is done.
    os._exit(0)
