"""Prepare: whether a plan may still be applied."""
