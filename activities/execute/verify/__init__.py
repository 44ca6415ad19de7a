"""Verify: whether an applied change helped."""
