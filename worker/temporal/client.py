"""Connection to Temporal, for the worker and for the commands."""

import asyncio
import logging
import os
import socket

from temporalio.client import Client
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    MetricBuffer,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

from worker.config.schema import TemporalSettings
from worker.config.sources import load_temporal_profile
from worker.temporal.connect_faults import map_connect_error
from worker.temporal.payload_codec import build_data_converter

CONNECT_TIMEOUT_SECONDS = 5.0
"""Default timeout of the connection."""


async def connect(
    settings: TemporalSettings,
    metric_buffer: MetricBuffer | None = None,
    timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
) -> Client:
    """Return a client of the configured server and namespace.

    Certificates, API key and profile come from `TEMPORAL_*` variables or the profile file; address and namespace come
    from the settings. The SDK writes nothing to standard output. Its metrics go to `metric_buffer`, which the caller
    must read continuously.

    Raises:
        Unreachable: the server did not answer in time, or a row of `CONNECT_FAULTS` explains the failure.
        Unauthorized: the API key is missing, invalid or expired.
        ConfigurationError: the encryption keys cannot be read.
    """
    options = load_temporal_profile(os.environ)
    options |= {"target_host": settings.address, "namespace": settings.namespace}
    # By default the core logs to standard output and would corrupt `--json`.
    forwarding = LogForwardingConfig(logging.getLogger("mapek.temporal"))
    core_logging = LoggingConfig(filter=TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding=forwarding)
    try:
        async with asyncio.timeout(timeout_seconds):
            return await Client.connect(
                **options,
                data_converter=build_data_converter(settings.encryption_key_file),
                identity=f"{os.getpid()}@{socket.gethostname()}",
                runtime=Runtime(telemetry=TelemetryConfig(logging=core_logging, metrics=metric_buffer)),
            )
    except (RuntimeError, TimeoutError, ValueError) as error:
        raise map_connect_error(str(error), settings.address, options) from error
