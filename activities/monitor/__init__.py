"""Monitor: which metrics of which components are beyond their limits, and which cannot be seen."""
