"""The only place that constructs clients: from the configuration to everything a worker process works with."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from activities.clients.alertmanager import AlertmanagerClient
from activities.clients.charter import CharterClient
from activities.clients.http import Http
from activities.clients.locks import Locks
from activities.clients.prometheus import PrometheusClient
from activities.clients.store.store import Store, open_store
from activities.model.errors import ConfigurationError, MapekError
from activities.parts import LoopParts, Parts
from activities.settings import LoopSettings
from worker.config import Config
from worker.http.metrics import Metrics
from worker.interceptor import MapekInterceptor
