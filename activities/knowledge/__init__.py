"""Knowledge: outcomes, learned effectiveness, insights."""
