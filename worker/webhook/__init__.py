"""Alerts on their way in: what a payload says, whom it concerns, and how a loop is told."""
