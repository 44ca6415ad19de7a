"""Knowledge: outcomes, learned effectiveness, autonomy and insights."""
