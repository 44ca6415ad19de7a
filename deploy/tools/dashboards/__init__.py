"""Grafana's dashboards as code: what they show is a table here, what Grafana reads is made of it."""
