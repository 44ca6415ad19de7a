"""Metrics, logs and redaction of the worker."""
