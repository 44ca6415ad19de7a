"""Root causes: hypotheses from symptoms, confirmed and ranked."""
