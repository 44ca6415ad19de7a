"""Stages for scripted workflows on the real Temporal server."""

from collections.abc import AsyncIterator

import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from tests.workflows.workflow_env import WorkflowTestEnv, open_workflow_env


@pytest_asyncio.fixture(scope="session")
async def workflow_env(temporal: WorkflowEnvironment) -> AsyncIterator[WorkflowTestEnv]:
    """Workers that keep workflows in memory, as in production."""
    async with open_workflow_env(temporal.client.service_client.config.target_host, "scripted") as stage:
        yield stage


@pytest_asyncio.fixture(scope="session")
async def evicting_stage(temporal: WorkflowEnvironment) -> AsyncIterator[WorkflowTestEnv]:
    """Workers that evict every workflow after every task, and so replay it from the start for the next one."""
    async with open_workflow_env(temporal.client.service_client.config.target_host, "forgetful", cached=0) as stage:
        yield stage
