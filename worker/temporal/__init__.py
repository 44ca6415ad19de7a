"""The worker's side of Temporal: connection, bootstrap, schedules, versioning and payload encryption."""
