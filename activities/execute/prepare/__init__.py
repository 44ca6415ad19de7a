"""Whether a plan may still be applied."""
