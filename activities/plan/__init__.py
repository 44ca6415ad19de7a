"""Plan: which remedy, if any, and why not the others."""
