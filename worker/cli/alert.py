"""`mapek alert inject`: send an alert through Alertmanager, to test the path from there to a cycle."""

import time
from typing import Annotated

import typer

from activities.clients.alertmanager import AlertmanagerClient
from activities.clients.http import HttpClient
from activities.monitor.metric_names import COMPONENT_LABEL
from worker.cli import output
from worker.cli.session import CALL_TIMEOUT_SECONDS, JsonOption, async_command, current_session

DescriptionOption = Annotated[str, typer.Option(help="Text shown to operators.")]


@async_command
async def inject(  # noqa: PLR0913 - a command's options are its parameters
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The alert's name.")] = "MapekInjected",
    component: Annotated[str, typer.Option(help="The component that the alert is about.")] = "",
    severity: Annotated[str, typer.Option(help="critical, warning or info.")] = "warning",
    label: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Additional label; repeatable.")] = None,
    description: DescriptionOption = "injected by mapek alert inject",
    seconds: Annotated[float, typer.Option("--for", min=1, help="Seconds until the alert ends.")] = 60.0,
    resolve: Annotated[bool, typer.Option("--resolve", help="End the active alert with these labels.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Post an alert to Alertmanager, which posts it to the webhook, which starts a cycle. It is not evidence."""
    config = current_session(ctx).config
    labels = {"alertname": name, "severity": severity} | ({COMPONENT_LABEL: component} if component else {})
    labels |= dict(map(_parse_label, label or []))
    now = time.time()
    http = HttpClient()
    try:
        client = AlertmanagerClient(http, config.alertmanager.url, CALL_TIMEOUT_SECONDS)
        active = await client.fetch_alerts(include_suppressed=True) if resolve else ()
        start = next((alert.starts_at for alert in active if alert.labels == labels), now)
        ends_at = now if resolve else now + seconds
        await client.post_alert(labels, {"description": description}, starts_at=start, ends_at=ends_at)
    finally:
        await http.close()
    if as_json:
        output.print_json({"labels": labels, "starts_at": start, "resolved": resolve})
    else:
        state = "resolved" if resolve else f"fires for {seconds:g} s"
        output.print_line(f"{name} {state} at {config.alertmanager.url}; see `mapek cycles`")


def _parse_label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"invalid --label {text!r}: use NAME=VALUE")
    return name, value
