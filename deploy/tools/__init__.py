"""Kubernetes: a base, two overlays, and what a cluster with the Prometheus operator gets beside them."""
