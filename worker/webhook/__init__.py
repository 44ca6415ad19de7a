"""Alerts from Alertmanager: reading payloads, routing alerts to loops, and signalling the loops."""
