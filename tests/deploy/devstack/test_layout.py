import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.devstack.errors import UsageError
from deploy.devstack.layout import STACK_SERVICES, StackLayout, build_layout, load_config
from deploy.devstack.ports import PortAllocator
from deploy.devstack.profiles import TIMING_PROFILES

STATE_FOLDER = Path("/state")
LayOutFunction = Callable[..., StackLayout]


@pytest.fixture
def lay_out_stack() -> Iterator[LayOutFunction]:
    """Return a function that builds the layout for a user's configuration."""
    with contextlib.closing(PortAllocator()) as ports:
        yield lambda user=None, profile="real": build_layout(user or {}, profile, STATE_FOLDER, ports)


def test_all_services_are_embedded_by_default(lay_out_stack: LayOutFunction) -> None:
    """Without a user's configuration every service is embedded, and MAPE-K gets its address."""
    layout = lay_out_stack()
    assert layout.embedded == set(STACK_SERVICES)
    assert layout.get_setting("monitor.prometheus_url") == layout.addresses.prometheus
    assert layout.get_setting("execute.charter_url") == layout.addresses.charter
    assert layout.get_setting("temporal.address") == layout.addresses.temporal
    assert layout.addresses.mapek.endswith(f":{layout.get_setting('api.port')}")


def test_real_profile_sets_no_timings(lay_out_stack: LayOutFunction) -> None:
    """The real profile uses the product's default timings."""
    assert lay_out_stack().get_setting("orchestrator") == {"mode": "staging"}
    assert lay_out_stack(profile="demo").get_setting("orchestrator.loop_interval") == 5


@pytest.mark.parametrize("profile", TIMING_PROFILES)
def test_user_values_are_kept(lay_out_stack: LayOutFunction, profile: str) -> None:
    """A user's value has precedence over the profile."""
    user = {"orchestrator": {"loop_interval": 60}, "knowledge": {"sqlite_path": "/mine.db"}}
    layout = lay_out_stack(user, profile)
    assert layout.get_setting("orchestrator.loop_interval") == 60
    assert layout.get_setting("knowledge.sqlite_path") == "/mine.db"


@pytest.mark.parametrize(
    ("service", "user"),
    [
        ("temporal", {"temporal": {"address": "10.0.0.1:7233"}}),
        ("prometheus", {"monitor": {"prometheus_url": "http://10.0.0.1:9090"}}),
        ("alertmanager", {"alertmanager": {"url": "http://10.0.0.1:9093"}}),
        ("charter", {"execute": {"charter_url": "http://10.0.0.1:8000"}}),
        ("charter", {"execute": {"charter_url": "http://10.0.0.1:8000"}, "staging": {"use_mock_charter": False}}),
    ],
)
def test_server_with_a_user_address_is_not_started(
    lay_out_stack: LayOutFunction, service: str, user: dict[str, Any]
) -> None:
    """The stack uses the user's server and does not start one."""
    layout = lay_out_stack(user)
    assert set(STACK_SERVICES) - layout.embedded == {service}
    assert "10.0.0.1" in getattr(layout.addresses, service)


def test_charter_of_the_user_is_never_the_simulator(lay_out_stack: LayOutFunction) -> None:
    """A user's Charter is not declared as the simulator and gets no token of the stack."""
    layout = lay_out_stack({"execute": {"charter_url": "http://10.0.0.1:8000"}})
    assert layout.get_setting("staging.use_mock_charter") is False
    assert layout.get_setting("execute.charter_api_key_file") is None
    assert lay_out_stack().get_setting("staging.use_mock_charter") is True


def test_mock_charter_takes_the_port_of_its_address(lay_out_stack: LayOutFunction) -> None:
    """With use_mock_charter the simulator uses the port of charter_url, and MAPE-K uses the simulator."""
    user = {"execute": {"charter_url": "http://charter:21800"}, "staging": {"use_mock_charter": True}}
    layout = lay_out_stack(user)
    assert "charter" in layout.embedded
    assert layout.get_setting("execute.charter_url") == "http://127.0.0.1:21800"
    assert lay_out_stack(user).get_setting("execute.charter_url") == "http://127.0.0.1:21810", (
        "the next free port, because the first is reserved"
    )


def test_missing_charter_is_refused(lay_out_stack: LayOutFunction) -> None:
    """A configuration without simulator and without Charter's address is refused."""
    with pytest.raises(UsageError, match=r"execute\.charter_url"):
        lay_out_stack({"staging": {"use_mock_charter": False}})


@pytest.mark.parametrize("text", ["[1, 2]", "monitor: 5", "a: [", "\xff"])
def test_invalid_configuration_is_refused(tmp_path: Path, text: str) -> None:
    """A file that is not a mapping of sections is refused with its name."""
    file = tmp_path / "mine.yaml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=r"mine\.yaml"):
        load_config(file)
    with pytest.raises(UsageError, match=r"nowhere\.yaml"):
        load_config(tmp_path / "nowhere.yaml")


def test_list_of_loops_is_kept(tmp_path: Path) -> None:
    """The list of loops reaches MAPE-K unchanged."""
    path = tmp_path / "mapek.yaml"
    path.write_text("loops:\n  - {name: north}\n  - {name: south}\n")
    assert load_config(path) == {"loops": [{"name": "north"}, {"name": "south"}]}
