"""The guards: each may refuse a plan, with a rule, a reason and the numbers."""
