"""Reports and alerts that the scenarios of `make load-alerts` share."""


def report(name: str, is_within_limit: bool, **figures: object) -> bool:
    """Print one line and return whether the bound was kept."""
    values = " ".join(f"{key}={value}" for key, value in figures.items())
    print(f"{'ok  ' if is_within_limit else 'MISS'} {name}: {values}", flush=True)
    return is_within_limit


def make_group_labels(number: int, alert_count: int = 1) -> list[dict[str, str]]:
    """Return the labels of one group of alerts."""
    base = {"alertname": "Load", "severity": "warning", "node_or_service": f"node-{number}"}
    return [base | {"shard": str(shard)} for shard in range(alert_count)]
