"""Offline: recordings, backtests, and what can be learned from logged decisions."""
