"""Recordings and backtests."""
