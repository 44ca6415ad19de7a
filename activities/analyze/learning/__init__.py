"""Confidence learned from outcomes."""
