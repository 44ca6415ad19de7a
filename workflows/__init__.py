"""Order: which step, how long, how often, what to undo. Deterministic."""
