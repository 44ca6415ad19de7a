"""Whether what was applied helped."""
