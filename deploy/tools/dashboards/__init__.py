"""Grafana dashboards as code: tables of panels, from which the JSON is generated."""
