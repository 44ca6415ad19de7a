"""Environments for scripted workflows on a real Temporal server."""

from collections.abc import AsyncIterator

import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from tests.workflows.workflow_env import WorkflowTestEnv, open_workflow_env


@pytest_asyncio.fixture(scope="session")
async def workflow_env(temporal: WorkflowEnvironment) -> AsyncIterator[WorkflowTestEnv]:
    """Run workers that cache workflows, as in production."""
    async with open_workflow_env(temporal.client.service_client.config.target_host, "scripted") as env:
        yield env


@pytest_asyncio.fixture(scope="session")
async def evicting_env(temporal: WorkflowEnvironment) -> AsyncIterator[WorkflowTestEnv]:
    """Run workers that evict every workflow after every task, and replay it for the next one."""
    async with open_workflow_env(temporal.client.service_client.config.target_host, "forgetful", cached=0) as env:
        yield env
