"""Root causes by deviation from the baseline and the call graph."""
