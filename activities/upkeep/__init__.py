"""Upkeep: leftovers, expired waits, rechecks and retention."""
