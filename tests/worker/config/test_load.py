"""The configuration: every key, every source of values, and the messages for problems."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from activities.model.action import ActionType
from activities.model.errors import ConfigurationError, NotFound
from worker.config.document import KeyPath, format_key_path
from worker.config.legacy import IGNORED_ORIGINAL_KEYS
from worker.config.load import Config, load_config

ORIGINAL_CONFIG: dict[str, Any] = {
    "orchestrator": {"mode": "staging", "loop_interval": 30, "enable_logging": True, "log_level": "DEBUG"},
    "monitor": {
        "prometheus_url": "http://prometheus:9090",
        "poll_interval": 30,
        "metrics": [
            {"name": "westworld_charter_validation_latency_seconds", "threshold": 1.0},
            {"name": "westworld_charter_failure_rate", "threshold": 0.10},
            {"name": "westworld_charter_committee_size"},
            {"name": "westworld_charter_throughput_ops_per_sec"},
        ],
        "queries": [
            {"name": "high_validation_latency", "promql": "westworld_charter_validation_latency_seconds > 1.0"},
            {"name": "high_failure_rate", "promql": "westworld_charter_failure_rate > 0.10"},
            {"name": "low_throughput", "promql": "westworld_charter_throughput_ops_per_sec < 100"},
        ],
    },
    "analyze": {
        "algorithms": [
            {"name": "temporal", "enabled": True, "sensitivity": 0.85, "window": "60s"},
            {"name": "spatial", "enabled": True, "sensitivity": 0.80, "min_components": 3},
            {"name": "causal", "enabled": True, "sensitivity": 0.75, "correlation_threshold": 0.8},
            {"name": "frequency", "enabled": True, "sensitivity": 0.70, "anomaly_threshold": 8},
        ],
        "pattern_history_limit": 100,
    },
    "plan": {
        "cost_model": {kind.value: 0.2 for kind in ActionType},
        "benefit_target": 0.95,
        "min_confidence": 0.6,
        "max_policies_per_analysis": 5,
    },
    "execute": {
        "charter_url": "http://charter:8000",
        "timeout_seconds": 30,
        "max_retries": 3,
        "rollback_enabled": True,
        "execution_mode": "transactional",
    },
    "knowledge": {
        "database": "sqlite",
        "sqlite_path": "/app/data/knowledge.db",
        "pattern_learning_enabled": True,
        "confidence_saturation_point": 30,
        "outcome_history_limit": 1000,
        "insight_generation_enabled": True,
    },
    "alertmanager": {
        "url": "http://alertmanager:9093",
        "webhook_port": 5000,
        "webhook_path": "/webhooks/alerts",
        "enabled": True,
    },
    "api": {"host": "127.0.0.1", "port": 8001, "debug": False, "cors_enabled": True},
    "logging": {
        "level": "DEBUG",
        "format": "json",
        "file": "/app/logs/mape_k.log",
        "max_bytes": 10485760,
        "backup_count": 5,
    },
    "performance": {
        "max_concurrent_analyses": 10,
        "metric_cache_ttl": 60,
        "policy_cache_ttl": 120,
        "async_executor": True,
    },
    "staging": {
        "use_mock_charter": False,
        "simulate_failures": False,
        "verbose_logging": True,
        "collect_metrics": True,
    },
}
"""Every key of the original project's file in its spelling, without its credential and its open address."""

CHANGED_VALUES: list[tuple[str, Any]] = [
    ("orchestrator.mode", "production"),
    ("orchestrator.loop_interval", 10),
    ("orchestrator.enable_logging", False),
    ("orchestrator.log_level", "WARNING"),
    ("orchestrator.kill_switch_file", "/run/mapek/kill"),
    ("monitor.prometheus_url", "http://10.0.0.1:9090"),
    ("monitor.metrics", ["failure_rate"]),
    ("monitor.queries", [{"name": "low_throughput", "promql": "westworld_charter_throughput_ops_per_sec < 50"}]),
    ("monitor.scrape_interval", "5s"),
    ("monitor.rate_window", "2m"),
    ("analyze.algorithms", [{"name": "temporal", "enabled": False}]),
    ("analyze.algorithms", {"spatial": {"min_components": 4}}),
    ("analyze.algorithms", {"causal": {"correlation_threshold": 0.9}}),
    ("analyze.algorithms", {"frequency": {"anomaly_threshold": 9, "window": "10m"}}),
    ("analyze.pattern_history_limit", 7),
    ("plan.cost_model", {"scale_up": 0.9}),
    ("plan.benefit_target", 0.9),
    ("plan.min_confidence", 0.7),
    ("plan.max_policies_per_analysis", 2),
    ("plan.approval", {"from_risk": "low"}),
    ("plan.rates", {"knob_per_hour": 2}),
    ("plan.rates", {"knob_per_day": 5}),
    ("plan.rates", {"loop_per_hour": 0}),
    ("plan.rates", {"max_concurrent_fraction": 0.5}),
    ("plan.rates", {"reversal_delay": "30m", "risky_delay": "10m"}),
    ("plan.oscillation", {"reversals": 1, "window": "1h", "failures": 2, "relapses": 2, "relapse_window": "2h"}),
    ("plan.oscillation", {"freeze_seconds": "2h", "external_change_hold": "2h"}),
    ("plan.storm", {"unexplained_fraction": 0.3, "min_components": 4, "affected_fraction": 0.5}),
    ("plan.storm", {"exit_factor": 0.4, "exit_hold": "10m"}),
    ("plan.windows", [{"name": "w", "cron": "0 22 * * *", "duration_seconds": "2h", "timezone": "Europe/Berlin"}]),
    (
        "plan.windows",
        [{"name": "w", "cron": "0 9 * * MON", "duration_seconds": 60, "actions": ["SCALE_UP"], "mode": "allow"}],
    ),
    ("plan.freeze_dates", [{"name": "holidays", "first": "2026-12-24", "last": "2026-12-26"}]),
    ("plan.error_budget", {"query": "slo_left", "min_remaining": 0.2}),
    ("execute.charter_url", "http://10.0.0.1:8000"),
    ("execute.charter_api_key_file", "/run/secrets/charter"),
    ("execute.timeout_seconds", 12),
    ("execute.max_retries", 0),
    ("execute.rollback_enabled", False),
    ("execute.execution_mode", "best_effort"),
    ("knowledge.sqlite_path", "/var/lib/mapek.db"),
    ("knowledge.pattern_learning_enabled", False),
    ("knowledge.confidence_saturation_point", 10),
    ("knowledge.outcome_history_limit", 10),
    ("knowledge.insight_generation_enabled", False),
    ("knowledge.autonomy", {"start": "suggest"}),
    ("knowledge.autonomy", {"suggest_matches": 5, "auto_outcomes": 40, "auto_min_success": 0.95}),
    ("knowledge.autonomy", {"overrides": [{"cause": "overload", "action": "RESTART_SERVICE", "level": "shadow"}]}),
    ("alertmanager.url", "http://10.0.0.1:9093"),
    ("alertmanager.webhook_path", "/alerts"),
    ("alertmanager.enabled", False),
    ("api.host", "::1"),
    ("api.port", 9001),
    ("api.debug", True),
    ("api.cors_enabled", True),
    ("api.webhook_token_file", "/run/secrets/webhook"),
    ("logging.level", "ERROR"),
    ("logging.format", "text"),
    ("logging.file", "/var/log/mapek.log"),
    ("logging.max_bytes", 1000),
    ("logging.backup_count", 1),
    ("performance.max_concurrent_analyses", 3),
    ("staging.use_mock_charter", True),
    ("staging.simulate_failures", 0.2),
    ("staging.verbose_logging", True),
    ("staging.collect_metrics", False),
    ("notify.targets", [{"name": "ops", "kind": "webhook", "address": "https://ops.example/in", "loops": ["charter"]}]),
    ("notify.targets", [{"name": "ops", "kind": "slack", "address_file": "/run/secrets/chat", "kinds": ["storm"]}]),
    ("temporal.address", "10.0.0.1:7233"),
    ("temporal.namespace", "mapek"),
    ("temporal.ui_url", "http://10.0.0.1:8233"),
]


def write_config(folder: Path, content: Any) -> Path:
    path = folder / "mapek.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def load_written_config(folder: Path, content: Any, environ: dict[str, str] | None = None) -> Config:
    return load_config(write_config(folder, content), state=folder / "state", environ=environ or {})


def load_refused(folder: Path, content: Any, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_written_config(folder, content, environ)
    return str(caught.value).removeprefix(str(folder) + "/").replace(f"\n{folder}/", "\n").splitlines()


def test_defaults_are_safe(tmp_path: Path) -> None:
    """Without a file: loopback, INFO, no CORS, no key, SQLite in the state folder, no simulator."""
    config = load_config(state=tmp_path, environ={})
    (loop,) = config.loops
    assert (config.api.host, config.api.cors_enabled, config.logging.level) == ("127.0.0.1", False, "INFO")
    assert (loop.execute.charter_api_key, loop.simulator) == (None, False)
    assert (config.knowledge.database, config.store_address) == ("sqlite", str(tmp_path / "knowledge.db"))


def test_the_file_of_the_original_project_is_accepted(tmp_path: Path) -> None:
    """Every key and spelling of the original is accepted; keys without effect are listed with their replacement."""
    config = load_written_config(tmp_path, ORIGINAL_CONFIG)
    loop = config.loops[0]
    assert loop.analyze.algorithms.temporal.window == 60
    assert [query.query for query in loop.monitor.queries][1] == "westworld_charter_failure_rate > 0.10"
    assert loop.plan.cost_model[ActionType.BYPASS_VALIDATION] == 0.2
    noted_keys = {note.split(": ")[1] for note in config.notes}
    assert noted_keys == {format_key_path(key_path) for key_path in IGNORED_ORIGINAL_KEYS}


def test_every_key_of_the_original_is_covered() -> None:
    """Each key of the original is in the table of changes or in the table of replaced keys."""
    keys = {f"{section}.{key}" for section, values in ORIGINAL_CONFIG.items() for key in values}
    replaced = {format_key_path(key_path) for key_path in IGNORED_ORIGINAL_KEYS}
    assert keys - {key for key, _ in CHANGED_VALUES} - replaced == {"knowledge.database"}


@pytest.mark.parametrize(("key", "value"), CHANGED_VALUES, ids=lambda x: str(x)[:40])
def test_each_key_changes_the_configuration(tmp_path: Path, key: str, value: Any) -> None:
    """A changed value of a key changes the settings."""
    section, _, name = key.partition(".")
    changed = load_written_config(tmp_path, {section: {name: value}})
    default = load_config(state=tmp_path / "state", environ={})
    ignored = {"file", "notes", "mapek_url"}
    assert changed.model_dump(exclude=ignored) != default.model_dump(exclude=ignored)
    assert changed.notes == ()


def test_the_store_in_memory_needs_the_simulator(tmp_path: Path) -> None:
    """`memory` is accepted with the simulator and refused with a real Charter."""
    config = load_written_config(tmp_path, {"knowledge": {"database": "memory"}, "staging": {"use_mock_charter": True}})
    assert config.store_address == "memory"
    (problem,) = load_refused(tmp_path, {"knowledge": {"database": "memory"}})
    assert problem.startswith("mapek.yaml:2: knowledge.database: memory loses")


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("monitr: {}", ["mapek.yaml:1: monitr: unknown key; did you mean monitor?"]),
        (
            "plan:\n  min_confidense: 1\n",
            ["mapek.yaml:2: plan.min_confidense: unknown key; did you mean min_confidence?"],
        ),
        ("plan:\n  zzz: 1\n", ["mapek.yaml:2: plan.zzz: unknown key; there are allowed_actions, "]),
        ("plan: {cost_model: {SCALE_UPP: 0.1}}", ["did you mean SCALE_UP?"]),
        ("plan: {min_confidence: true}", ["plan.min_confidence: is true; must be a number"]),
        ("plan: {min_confidence: 1.5}", ["plan.min_confidence: is 1.5; must be less than or equal to 1"]),
        (
            "orchestrator: {loop_interval: '30'}",
            ['loop_interval: is "30"; must be a number of seconds, or a duration such as 90s'],
        ),
        ("orchestrator: {loop_interval: .nan}", ["loop_interval: is .nan; must be a finite number"]),
        ("orchestrator: {mode: prod}", ["mode: is \"prod\"; must be 'staging' or 'production'"]),
        ("monitor: 5", ["monitor: is 5; must be a mapping of keys to values"]),
        ("monitor:\n  metrics:\n  - {treshold: 1, name: a}", ["mapek.yaml:3: monitor.metrics[0].treshold"]),
        ("monitor: {queries: [{name: q}]}", ["monitor.queries[0].query: is missing"]),
        ("monitor: {queries: [{name: q, query: up}]}", ["monitor.queries: 'up' is not `expression OP number`"]),
        (
            "monitor: {rate_window: 20, scrape_interval: 15}",
            ["monitor.rate_window: is 20 s; use at least two scrape intervals, 30 s"],
        ),
        (
            "api: {host: 0.0.0.0}",
            ['api.host: is "0.0.0.0", which is not loopback; use 127.0.0.1 or set api.webhook_token_file'],
        ),
        ("temporal: {address: 'http://a'}", ["temporal.address: must be host:port"]),
        ("execute: {charter_url: 'ftp://a'}", ["execute.charter_url: must be http://host:port"]),
        ("execute: {verify: {samples: 4}}", ["execute.verify.samples: is 4; use 5 or more, fewer are for a simulator"]),
        ("plan: {oscillation: {freeze_seconds: 604800}}", ["freeze_seconds: is 604800; must be less than or equal to"]),
        ("execute: {verify: {passes: 9}}", ["execute.verify.passes: is 9; use at most verify.samples, 5"]),
        ("knowledge: {database: postgres}", ["knowledge.database: postgres needs an address; set MAPEK_POSTGRES_URL"]),
        ("loops: []", ["loops: must be a list with at least one loop"]),
        ("loops:\n- {name: a}\n- {name: a}\n", ["mapek.yaml:3: loops[1].name: a is the name of another loop"]),
        ("loops: [{name: Bad Name}]", ["loops[0].name"]),
        ("loops:\n- plan:\n    zzz: 1", ["mapek.yaml:3: loops[0].plan.zzz: unknown key"]),
        (
            "loops:\n- name: a\n- name: b\n  execute: {charter_url: 'http://x:1'}",
            ["mapek.yaml:3: loops[1].charter: charter has another address in another loop"],
        ),
        (
            "loops:\n- name: a\n- {name: b, charter: other}",
            ["loops[1].charter: another loop calls this Charter charter"],
        ),
        ("loops: [{knowledge: {database: sqlite}}]", ["loops[0].knowledge.database: all loops share one store"]),
        (
            "orchestrator: {mode: production}\nstaging: {use_mock_charter: true}\napi: {debug: true}",
            ["simulator is refused in orchestrator.mode production", "api.debug: shows tracebacks"],
        ),
        ("a: 1\na: 2\n", ["mapek.yaml:2: a: is given twice (first at "]),
        ("api: &x {port: 1}\nlogging: {<<: *x}", ["mapek.yaml:2: logging: contains a key that is not plain text"]),
    ],
)
def test_problems_are_reported_with_line_and_fix(tmp_path: Path, text: str, problems: list[str]) -> None:
    """Each problem is one line with file, line, key, value and fix."""
    lines = load_refused(tmp_path, text)
    for problem in problems:
        assert any(problem in line for line in lines), lines


def test_all_problems_are_reported_in_the_order_of_the_file(tmp_path: Path) -> None:
    """One run reports every problem, sorted by line."""
    text = "plan:\n  zzz: 1\n  min_confidence: 7\nmonitor:\n  zzz: 1\nloops:\n- name: X\n  plan: {zzz: 2}\n"
    lines = [int(line.split(":")[1]) for line in load_refused(tmp_path, text)]
    assert lines == [2, 3, 5, 7, 8]


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize(
    ("section", "key"), [("execute", "charter_api_key"), ("knowledge", "postgres_url")], ids=lambda x: str(x)
)
def test_a_secret_in_the_file_is_refused_and_never_shown(tmp_path: Path, section: str, key: str, loop: bool) -> None:
    """The message names the variable to use, without the value."""
    sections = {section: {key: "geheim-4711"}}
    (problem,) = load_refused(tmp_path, {"loops": [sections]} if loop else sections)
    assert "secrets are refused in this file" in problem
    assert "geheim" not in problem


def test_a_credential_in_an_address_is_refused_and_never_shown(tmp_path: Path) -> None:
    """A URL with user and password is refused without showing it."""
    (problem,) = load_refused(tmp_path, {"monitor": {"prometheus_url": "http://me:geheim@p:9090"}})
    assert "monitor.prometheus_url: contains a credential" in problem
    assert "geheim" not in problem


def test_secrets_never_appear_in_any_rendering(tmp_path: Path) -> None:
    """repr, str and JSON of a configuration do not contain its credentials."""
    environ = {"CHARTER_API_KEY": "geheim-1", "MAPEK_POSTGRES_URL": "postgresql://u:geheim-2@db/mapek"}
    config = load_written_config(tmp_path, {"knowledge": {"database": "postgres"}}, environ)
    texts = (repr(config), str(config), config.model_dump_json(), json.dumps(config.loops[0].decision_settings()))
    assert not any("geheim" in text for text in texts)
    key = config.loops[0].execute.charter_api_key
    assert key is not None
    assert key.get_secret_value() == "geheim-1"
    assert config.store_address.endswith("geheim-2@db/mapek")


def test_the_environment_does_not_override_the_key_file_of_a_loop(tmp_path: Path) -> None:
    """CHARTER_API_KEY is not used for a loop with its own key file."""
    second_loop = {"name": "b", "charter": "b", "execute": {"charter_url": "http://b:1", "charter_api_key_file": "/k"}}
    first, second = load_written_config(tmp_path, {"loops": [{}, second_loop]}, {"CHARTER_API_KEY": "geheim"}).loops
    assert first.execute.charter_api_key is not None
    assert second.execute.charter_api_key is None


def test_a_loop_overrides_only_its_own_keys(tmp_path: Path) -> None:
    """Mappings are merged key by key; the other keys of a section stay."""
    content = {
        "plan": {"min_confidence": 0.7, "cool_down": {"after_success": "10m", "rolled_back": 5}},
        "loops": [
            {"name": "a"},
            {"name": "b", "plan": {"cool_down": {"after_success": 1}}, "topology": {"edges": [["x", "y"]]}},
        ],
    }
    first, second = load_written_config(tmp_path, content).loops
    assert (first.plan.cool_down.after_success, second.plan.cool_down.after_success) == (600, 1)
    assert (second.plan.min_confidence, second.plan.cool_down.rolled_back) == (0.7, 5)
    assert second.topology.callees("x") == ("y",)


@pytest.mark.parametrize(
    ("environ", "path", "value"),
    [
        ({"PROMETHEUS_URL": "http://e:1"}, ("loops", 0, "monitor", "prometheus_url"), "http://e:1"),
        ({"CHARTER_URL": "http://e:1"}, ("loops", 0, "execute", "charter_url"), "http://e:1"),
        ({"CHARTER_API_URL": "http://e:1"}, ("loops", 0, "execute", "charter_url"), "http://e:1"),
        ({"ALERTMANAGER_URL": "http://e:1"}, ("alertmanager", "url"), "http://e:1"),
        ({"TEMPORAL_ADDRESS": "e:1"}, ("temporal", "address"), "e:1"),
        ({"TEMPORAL_NAMESPACE": "e"}, ("temporal", "namespace"), "e"),
        ({"MAPE_K_INTERVAL": "7"}, ("orchestrator", "loop_interval"), 7),
        ({"MAPE_K_INTERVAL": "2m"}, ("orchestrator", "loop_interval"), 120),
        ({"LOG_LEVEL": "debug"}, ("logging", "level"), "DEBUG"),
        ({"LOG_LEVEL": "debug"}, ("orchestrator", "log_level"), "DEBUG"),
        ({"MAPE_K_AUTO_APPROVE": "false"}, ("loops", 0, "plan", "approval", "from_risk"), "low"),
        ({"MAPEK__PLAN__MIN_CONFIDENCE": "0.8"}, ("loops", 0, "plan", "min_confidence"), 0.8),
        ({"MAPEK__PLAN__COOL_DOWN__AFTER_SUCCESS": "90s"}, ("loops", 0, "plan", "cool_down", "after_success"), 90),
        ({"MAPEK__MONITOR__METRICS": "[failure_rate]"}, ("loops", 0, "monitor", "metrics", 0, "name"), "failure_rate"),
        ({"MAPEK__API__PORT": "9001"}, ("api", "port"), 9001),
    ],
)
def test_the_environment_overrides_the_file(tmp_path: Path, environ: dict[str, str], path: Any, value: Any) -> None:
    """Each variable overrides the value in the file."""
    content = {
        "monitor": {"prometheus_url": "http://f:1"},
        "execute": {"charter_url": "http://f:1"},
        "alertmanager": {"url": "http://f:1"},
        "temporal": {"address": "f:1", "namespace": "f"},
        "orchestrator": {"loop_interval": 30, "log_level": "ERROR"},
        "plan": {"min_confidence": 0.6},
    }
    dump: Any = load_written_config(tmp_path, content, environ).model_dump(mode="json")
    for part in path:
        dump = dump[part]
    assert dump == value


def test_an_invalid_variable_is_named(tmp_path: Path) -> None:
    """A problem in the environment is reported with the variable instead of file and line."""
    problems = load_refused(tmp_path, "{}", {"MAPE_K_INTERVAL": "soon", "MAPEK__PLAN__ZZZ": "1", "MAPEK__X": "1"})
    origin = "environment MAPE_K_INTERVAL: orchestrator.loop_interval"
    assert f'{origin}: is "soon"; must be a number of seconds, or a duration such as 90s, 5m, 2h or 1d' in problems
    assert any(line.startswith("environment MAPEK__PLAN__ZZZ: plan.zzz: unknown key") for line in problems)
    assert any(line.startswith("environment MAPEK__X: must be MAPEK__SECTION__KEY") for line in problems)


def make_stack_settings(folder: Path) -> dict[str, Any]:
    content = {
        "temporal": {"address": "s:1", "namespace": "s", "ui": "http://s:8"},
        "prometheus": "http://s:2",
        "alertmanager": "http://s:3",
        "charter": "http://s:4",
        "mapek": "http://s:5",
        "charter_token_file": "/s/charter.token",
        "webhook_token_file": "/s/webhook.token",
    }
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(json.dumps(content), encoding="utf-8")
    return content


def test_the_running_stack_sets_missing_addresses(tmp_path: Path) -> None:
    """Addresses and token files come from run.json, other values do not."""
    make_stack_settings(tmp_path)
    config = load_config(state=tmp_path, environ={})
    loop = config.loops[0]
    assert (config.temporal.address, config.temporal.namespace, config.temporal.ui_url) == ("s:1", "s", "http://s:8")
    assert (loop.monitor.prometheus_url, loop.execute.charter_url) == ("http://s:2", "http://s:4")
    assert (config.alertmanager.url, config.mapek_url) == ("http://s:3", "http://s:5")
    assert loop.execute.charter_api_key_file == Path("/s/charter.token")
    assert config.api.webhook_token_file == Path("/s/webhook.token")
    assert not loop.simulator


def test_precedence_is_flag_environment_file_stack_default(tmp_path: Path) -> None:
    """Without a source, the value of the next source applies."""
    make_stack_settings(tmp_path)
    path = write_config(tmp_path, {"temporal": {"address": "f:1"}})
    flags: dict[KeyPath, str | None] = {("temporal", "address"): "flag:1"}
    environ = {"TEMPORAL_ADDRESS": "e:1"}
    configs = [
        load_config(path, state=tmp_path, environ=environ, flags=flags),
        load_config(path, state=tmp_path, environ=environ),
        load_config(path, state=tmp_path, environ={}),
        load_config(state=tmp_path, environ={"MAPEK_CONFIG": str(write_config(tmp_path / "..", "{}"))}),
        load_config(state=tmp_path / "nothing", environ={}),
    ]
    assert [config.temporal.address for config in configs] == ["flag:1", "e:1", "f:1", "s:1", "127.0.0.1:7233"]


@pytest.mark.parametrize("environ", [{"CHARTER_URL": "http://other:1"}, {}])
def test_the_token_of_the_stack_is_used_with_its_charter_only(tmp_path: Path, environ: dict[str, str]) -> None:
    """With another Charter address, the token of run.json is not used."""
    make_stack_settings(tmp_path)
    execute = load_config(state=tmp_path, environ=environ).loops[0].execute
    assert (execute.charter_api_key_file is None) == bool(environ)


def test_the_file_of_the_running_stack_is_the_default(tmp_path: Path) -> None:
    """The configuration in the state folder is read only if run.json exists."""
    write_config(tmp_path, {"orchestrator": {"loop_interval": 5}})
    assert load_config(state=tmp_path, environ={}).orchestrator.loop_interval == 30
    make_stack_settings(tmp_path)
    assert load_config(state=tmp_path, environ={}).orchestrator.loop_interval == 5
    assert load_config(environ={"MAPEK_STATE": str(tmp_path)}).orchestrator.loop_interval == 5


def test_an_unreadable_run_file_is_refused(tmp_path: Path) -> None:
    """A damaged run.json is an error, not a missing stack."""
    (tmp_path / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"run\.json: cannot be read"):
        load_config(state=tmp_path, environ={})


def test_an_unknown_loop_is_reported_with_the_configured_loops(tmp_path: Path) -> None:
    """The message lists the configured loops."""
    with pytest.raises(NotFound, match="no loop is called x; configured: charter"):
        load_config(state=tmp_path, environ={}).loop("x")
