"""The packages to install for missing binaries: versions, vendors' URLs and checksums.

Each checksum was seen in at least two independent public places. Without a checksum the vendor's download is skipped
and a package registry is used. Prometheus stays on 2.x, the line of Debian's package: then PromQL means the same from
every source.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Package:
    """A set of binaries that are installed together.

    `url` has the placeholders {os} and {arch}; the keys of `sha256` are platforms such as "linux-amd64".
    `go_module` and `debian_packages` name the package in the registries; empty or None disables that source.
    `go_commands` are the folders of commands that are not in cmd/<binary>; "" is the module's root.
    `go_version_variable` is the variable that the vendor's build sets to the version; empty if the code contains it.
    `debian_folder` is the folder of the binaries in Debian's packages. Each binary called with `version_argument` exits
    with 0 if it runs on this machine, and its first line names the version.
    """

    name: str
    version: str
    binaries: tuple[str, ...]
    url: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict)
    go_module: str | None = None
    go_commands: Mapping[str, str] = field(default_factory=dict)
    go_version_variable: str = ""
    debian_packages: tuple[str, ...] = ()
    debian_folder: str = "usr/bin"
    version_argument: str = "--version"

    @property
    def folder(self) -> str:
        """The folder in the cache of the pinned version; a new pin is fetched again."""
        return f"{self.name}-{self.version}"


_GITHUB_URL = "https://github.com"
_PROMETHEUS_VERSION_VARIABLE = "github.com/prometheus/common/version.Version"

PACKAGES = (
    Package(
        name="temporal",
        version="1.5.1",
        binaries=("temporal",),
        url=f"{_GITHUB_URL}/temporalio/cli/releases/download/v1.5.1/temporal_cli_1.5.1_{{os}}_{{arch}}.tar.gz",
        sha256={
            "linux-amd64": "ddc95e08b0b076efd4ea9733a3f488eb7d2be875f8834e616cd2a37358b4852d",
            "linux-arm64": "bd1b0db9f18b051026de8bf6cc1505f2510f14bbb7a8b9a4a91fff46c77454f5",
        },
        go_module="github.com/temporalio/cli",
        go_version_variable="github.com/temporalio/cli/temporalcli.Version",
    ),
    Package(
        name="prometheus",
        version="2.53.4",
        binaries=("prometheus", "promtool"),
        url=f"{_GITHUB_URL}/prometheus/prometheus/releases/download/v2.53.4/prometheus-2.53.4.{{os}}-{{arch}}.tar.gz",
        sha256={"linux-amd64": "b8b497c4610d1b93208252b60c8f20f6b2e78596ae8df43397a2e805aa53d475"},
        debian_packages=("prometheus",),
    ),
    Package(
        name="alertmanager",
        version="0.28.1",
        binaries=("alertmanager", "amtool"),
        url=f"{_GITHUB_URL}/prometheus/alertmanager/releases/download/v0.28.1/alertmanager-0.28.1.{{os}}-{{arch}}.tar.gz",
        sha256={
            "linux-amd64": "5ac7ab5e4b8ee5ce4d8fb0988f9cb275efcc3f181b4b408179fafee121693311",
            "linux-arm64": "d8832540e5b9f613d2fd759e31d603173b9c61cc7bb5e3bc7ae2f12038b1ce4f",
        },
        # Not Debian's package: its binary reads templates from a folder under /usr that only an installation creates.
        go_module="github.com/prometheus/alertmanager",
        go_version_variable=_PROMETHEUS_VERSION_VARIABLE,
    ),
    Package(
        name="postgresql",
        version="15",
        binaries=("postgres", "initdb"),
        # initdb needs the client library.
        debian_packages=("postgresql-15", "postgresql-client-15", "libpq5"),
        debian_folder="usr/lib/postgresql/15/bin",
    ),
    Package(
        name="temporal-server",
        version="1.29.1",
        binaries=("temporal-server", "temporal-sql-tool"),
        go_module="go.temporal.io/server",
        go_commands={"temporal-server": "cmd/server", "temporal-sql-tool": "cmd/tools/sql"},
    ),
    Package(
        name="kustomize",
        version="5.7.1",
        binaries=("kustomize",),
        go_module="sigs.k8s.io/kustomize/kustomize/v5",
        go_commands={"kustomize": ""},
        version_argument="version",
    ),
    Package(
        name="faketime",
        version="0.9",
        binaries=("faketime",),
        # The binary only sets the environment; the library changes the clock.
        debian_packages=("faketime", "libfaketime"),
    ),
    Package(
        name="pgbouncer",
        version="1.18.0",
        binaries=("pgbouncer",),
        debian_packages=("pgbouncer", "libevent-2.1-7", "libc-ares2"),
        debian_folder="usr/sbin",
    ),
)
