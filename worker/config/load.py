"""The configuration: one YAML file, overridden by the environment, over the addresses of the running stack.

Precedence: flag > environment > file > `run.json` of the stack in the state folder > default. A file with problems is
refused as a whole. The error lists every problem with its line and the fix.

`pydantic-settings` was tried and not used: it merges all sources before validation, so its errors name neither the file
and line nor the variable of a value. A key given twice and a misspelt `MAPEK__` variable pass it unnoticed.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from activities.knowledge.settings import KnowledgeSettings
from activities.model.errors import ConfigurationError, NotFound
from activities.model.types import Settings
from activities.notify.settings import NotifySettings
from activities.settings import LoopSettings
from worker.config.constraints import (
    validate_alerts,
    validate_fleet,
    validate_loop,
    validate_notify,
    validate_service,
    validate_store,
)
from worker.config.document import Document, KeyPath, read_document
from worker.config.legacy import upgrade_legacy
from worker.config.loops import LOOP_SECTIONS, build_loops
from worker.config.messages import describe_unknown_key, validate_section
from worker.config.schema import (
    AlertmanagerSettings,
    ApiSettings,
    LinksSettings,
    LoggingSettings,
    OrchestratorSettings,
    PerformanceSettings,
    StagingSettings,
    TemporalSettings,
)
from worker.config.sources import SECRET_KEYS, apply_environment, apply_flags, apply_stack, read_stack

PROCESS_SECTIONS: Mapping[str, type[Settings]] = {
    "orchestrator": OrchestratorSettings,
    "alertmanager": AlertmanagerSettings,
    "api": ApiSettings,
    "logging": LoggingSettings,
    "performance": PerformanceSettings,
    "staging": StagingSettings,
    "temporal": TemporalSettings,
    "links": LinksSettings,
    "notify": NotifySettings,
}


class Config(Settings):
    """The configuration of one process.

    `state` is the folder of logs, data and `run.json`. `file` is the file that was read, None for defaults.
    `notes` list accepted keys without effect. `mapek_url` is the address of the service.
    """

    orchestrator: OrchestratorSettings = OrchestratorSettings()
    alertmanager: AlertmanagerSettings = AlertmanagerSettings()
    api: ApiSettings = ApiSettings()
    logging: LoggingSettings = LoggingSettings()
    performance: PerformanceSettings = PerformanceSettings()
    staging: StagingSettings = StagingSettings()
    temporal: TemporalSettings = TemporalSettings()
    links: LinksSettings = LinksSettings()
    notify: NotifySettings = NotifySettings()
    loops: tuple[LoopSettings, ...] = Field(default=(LoopSettings(),), min_length=1)
    state: Path = Path(".mapek")
    file: Path | None = None
    mapek_url: str = "http://127.0.0.1:8001"
    notes: tuple[str, ...] = ()

    @property
    def knowledge(self) -> KnowledgeSettings:
        """The settings of the store, which all loops share."""
        return self.loops[0].knowledge

    @property
    def store_address(self) -> str:
        """The store for `open_store`: `memory`, a path, or a database URL with its credential."""
        knowledge = self.knowledge
        if knowledge.database == "postgres" and knowledge.postgres_url is not None:
            return knowledge.postgres_url.get_secret_value()
        return "memory" if knowledge.database == "memory" else str(knowledge.sqlite_path)

    @property
    def kill_switch_file(self) -> Path:
        """The file that keeps workers from starting changes while it exists."""
        return self.orchestrator.kill_switch_file or self.state / "kill-switch"

    def format_links(self, loop: LoopSettings) -> str:
        """Return the links as Markdown that the Temporal UI shows with the cycles and remediations of the loop."""
        urls = {
            "Grafana": self.links.grafana,
            "runbook": self.links.runbook,
            "Prometheus": loop.monitor.prometheus_url,
            "health": f"{self.mapek_url}/health",
        }
        return " · ".join(f"[{name}]({url.replace('{loop}', loop.name)})" for name, url in urls.items() if url)

    def loop(self, name: str) -> LoopSettings:
        """Return the loop with this name.

        Raises:
            NotFound: no loop has this name; the message lists the configured loops.
        """
        loop = next((loop for loop in self.loops if loop.name == name), None)
        if loop is None:
            raise NotFound(f"no loop is called {name}; configured: {', '.join(loop.name for loop in self.loops)}")
        return loop


def load_config(
    path: Path | None = None,
    *,
    state: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[KeyPath, str | None] | None = None,
) -> Config:
    """Return the configuration of this process.

    `path` defaults to `MAPEK_CONFIG`, then to the file of the stack that runs in the state folder, then to no file.
    `state` defaults to `MAPEK_STATE`, then to `.mapek`. `environ` defaults to that of the process. `flags` are the
    addresses of the command line by key path.

    Raises:
        ConfigurationError: one line per problem: `file:line: section.key: problem; fix`.
    """
    environ = os.environ if environ is None else environ
    state = (state or Path(environ.get("MAPEK_STATE") or ".mapek")).expanduser()
    stack = read_stack(state)
    path = path or _find_default_file(state, environ, bool(stack))
    document = read_document(path) if path else Document()
    _refuse_secrets(document)
    mapek_url = _configured_url(document, stack, environ)
    notes = apply_environment(document, environ)
    apply_flags(document, flags or {})
    apply_stack(document, stack, state)
    notes += upgrade_legacy(document)
    config = _build_config(document, environ, state)
    if document.problems or config is None:
        raise ConfigurationError(document.format_problems())
    return config.model_copy(update={"file": path, "notes": notes, "mapek_url": mapek_url or _service_url(config.api)})


def _find_default_file(state: Path, environ: Mapping[str, str], stack_running: bool) -> Path | None:
    if environ.get("MAPEK_CONFIG"):
        return Path(environ["MAPEK_CONFIG"]).expanduser()
    stack_file = state / "mapek.yaml"
    return stack_file if stack_running and stack_file.is_file() else None


def _configured_url(document: Document, stack: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    if environ.get("MAPEK_URL"):
        return environ["MAPEK_URL"]
    has_address = document.get_value(("api", "host")) is not None or document.get_value(("api", "port")) is not None
    return "" if has_address else str(stack.get("mapek") or "")


def _service_url(api: ApiSettings) -> str:
    return f"http://[{api.host}]:{api.port}" if ":" in api.host else f"http://{api.host}:{api.port}"


def _refuse_secrets(document: Document) -> None:
    """Remove secrets from the values of the file, before a message can contain one."""
    loops = document.data.get("loops")
    for index in (None, *range(len(loops) if isinstance(loops, list) else 0)):
        for secret, (_, replacement) in SECRET_KEYS.items():
            key_path = secret if index is None else ("loops", index, *secret)
            section = document.get_value(key_path[:-1])
            if isinstance(section, dict) and section.pop(key_path[-1], None) not in (None, ""):
                document.add_problem(key_path, f"secrets are refused in this file; use {replacement}")


def _build_config(document: Document, environ: Mapping[str, str], state: Path) -> Config | None:
    """Return the validated configuration, or None after adding the problems of its sections to the document."""
    sections = (*PROCESS_SECTIONS, *LOOP_SECTIONS, "loops")
    for key in document.data.keys() - set(sections):
        document.add_problem((key,), describe_unknown_key(key, sections))
    process = {
        name: validate_section(model, document.get_value((name,)), (name,), document)
        for name, model in PROCESS_SECTIONS.items()
    }
    for name, model in LOOP_SECTIONS.items():
        validate_section(model, document.get_value((name,)), (name,), document)
    staging = process["staging"]
    simulator = isinstance(staging, StagingSettings) and staging.use_mock_charter
    loops = tuple(loop for loop in build_loops(document, environ, state, simulator) if loop)
    if document.problems or None in process.values():
        return None
    config = Config.model_validate({**process, "loops": loops, "state": state})
    for key_path, text in _validate_config(config, document, environ):
        document.add_problem(key_path, text)
    return config


def _validate_config(config: Config, document: Document, environ: Mapping[str, str]) -> Iterator[tuple[KeyPath, str]]:
    production = config.orchestrator.mode == "production"
    yield from validate_service(config.orchestrator, config.api, config.alertmanager, config.temporal)
    yield from validate_alerts(config.alertmanager, config.api, [loop.name for loop in config.loops])
    yield from validate_notify(config.notify, [loop.name for loop in config.loops], environ)
    yield from validate_store(config.loops, production)
    yield from validate_fleet(config.loops)
    for index, loop in enumerate(config.loops):
        for key_path, text in validate_loop(loop, production):
            loop_path = ("loops", index, *key_path)
            is_own = loop_path in document.origins or key_path == ("simulator",)
            yield (loop_path if is_own else key_path), text
