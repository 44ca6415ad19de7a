"""Upkeep: what terminated, silent or expired things leave behind."""
