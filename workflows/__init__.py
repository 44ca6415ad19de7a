"""The workflows: which step runs, for how long, how often, and what is undone. Deterministic."""
