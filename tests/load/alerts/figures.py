"""What the scenarios of `make load-alerts` share: how they tell what they found, and what they fire."""


def say(name: str, good: bool, **figures: object) -> bool:
    """Print one line and return whether the bound was kept."""
    told = " ".join(f"{key}={value}" for key, value in figures.items())
    print(f"{'ok  ' if good else 'MISS'} {name}: {told}", flush=True)
    return good


def group(number: int, each: int = 1) -> list[dict[str, str]]:
    """Return the labels of one group of alerts."""
    base = {"alertname": "Load", "severity": "warning", "node_or_service": f"node-{number}"}
    return [base | {"shard": str(shard)} for shard in range(each)]
