"""Analyze: patterns and root causes in the recent past."""
