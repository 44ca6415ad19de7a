"""The one place that makes a Temporal client: for the worker and for the commands alike."""

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

from activities.model.errors import MapekError, Unauthorized, Unreachable
from worker.config.schema import TemporalSettings
from worker.config.sources import load_temporal_profile
from worker.temporal.payload_codec import build_data_converter

CONNECT_TIMEOUT_SECONDS = 5.0
"""Seconds in which a server has to answer when nobody says otherwise."""
_UNAUTHORIZED_STATUSES = ("PermissionDenied", "Unauthenticated")


async def connect(
    settings: TemporalSettings,
    metric_buffer: MetricBuffer | None = None,
    timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
) -> Client:
    """Return a client of the configured server and namespace.

    Certificates, API key and profile come from `TEMPORAL_*` or its profile file; address and namespace as configured
    (which has read the same variables). Nothing of the SDK is written to standard output. What the SDK measures goes to
    `metrics`, which has to be read all the time.

    Raises:
        Unreachable: no answer `within` some seconds, or no trust in the certificate that was shown.
        Unauthorized: the API key is missing, forged or has run out.
        ConfigurationError: the keys of the encryption cannot be read.
    """
    options = load_temporal_profile(os.environ)
    options |= {"target_host": settings.address, "namespace": settings.namespace}
    # Left to itself the core prints to standard output, into the middle of `--json`.
    forward = LogForwardingConfig(logging.getLogger("mapek.temporal"))
    told = LoggingConfig(filter=TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding=forward)
    try:
        async with asyncio.timeout(timeout_seconds):
            return await Client.connect(
                **options,
                data_converter=build_data_converter(settings.encryption_key_file),
                identity=f"{os.getpid()}@{socket.gethostname()}",
                runtime=Runtime(telemetry=TelemetryConfig(logging=told, metrics=metric_buffer)),
            )
    except (RuntimeError, TimeoutError, ValueError) as error:
        raise _map_connect_error(str(error), settings.address) from error


def _map_connect_error(text: str, address: str) -> MapekError:
    """Return our error for one of connecting, of which the SDK gives the text alone."""
    if any(status in text for status in _UNAUTHORIZED_STATUSES):
        return Unauthorized(f"Temporal at {address} refuses the credential: check TEMPORAL_API_KEY or the profile")
    if "certificate" in text.lower():
        return Unreachable(f"no trust between us and Temporal at {address}: check TEMPORAL_TLS_* or the profile")
    return unreachable_error(address)


def unreachable_error(address: str) -> Unreachable:
    """Return the error for a server that does not answer, with what a person can do."""
    return Unreachable(
        f"cannot reach Temporal at {address}: is the stack running? Start it with `make run`, or set TEMPORAL_ADDRESS"
    )
