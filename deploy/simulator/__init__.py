"""A simulated Charter that serves the API contract (deploy/charter/openapi.yaml).

It imports no package of the product: a wrong model in one of them cannot hide the same error in the other.
"""
