"""`mapek alert inject`: a real alert through the real Alertmanager, to try the whole way in."""

import time
from typing import Annotated

import typer

from activities.clients.alertmanager import AlertmanagerClient
from activities.clients.http import HttpClient
from activities.monitor.metric_names import COMPONENT_LABEL
from worker.cli import output
from worker.cli.session import CALL_TIMEOUT_SECONDS, JsonOption, async_command, current_session

DescriptionOption = Annotated[str, typer.Option(help="Shown to people.")]


@async_command
async def inject(  # noqa: PLR0913 - a command's options are its parameters
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The alert's name.")] = "MapekInjected",
    component: Annotated[str, typer.Option(help="Where it fires; empty: nowhere in particular.")] = "",
    severity: Annotated[str, typer.Option(help="critical, warning or info.")] = "warning",
    label: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A further label; repeatable.")] = None,
    description: DescriptionOption = "injected by mapek alert inject",
    seconds: Annotated[float, typer.Option("--for", min=1, help="Seconds it fires, unless it is resolved.")] = 60.0,
    resolve: Annotated[bool, typer.Option("--resolve", help="End the alert with these labels now.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Post an alert to Alertmanager, which tells the webhook, which starts a cycle. It is no evidence of anything."""
    config = current_session(ctx).config
    labels = {"alertname": name, "severity": severity} | ({COMPONENT_LABEL: component} if component else {})
    labels |= dict(map(_parse_label, label or []))
    now = time.time()
    http = HttpClient()
    try:
        client = AlertmanagerClient(http, config.alertmanager.url, CALL_TIMEOUT_SECONDS)
        known = await client.fetch_alerts(include_suppressed=True) if resolve else ()
        start = next((one.starts_at for one in known if one.labels == labels), now)
        ends_at = now if resolve else now + seconds
        await client.post_alert(labels, {"description": description}, starts_at=start, ends_at=ends_at)
    finally:
        await http.close()
    if as_json:
        output.print_json({"labels": labels, "starts_at": start, "resolved": resolve})
    else:
        told = "resolved" if resolve else f"fires for {seconds:g} s"
        output.print_line(f"{name} {told} at {config.alertmanager.url}; see `mapek cycles`")


def _parse_label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"{text!r} is no NAME=VALUE")
    return name, value
