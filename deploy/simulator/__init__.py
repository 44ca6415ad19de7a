"""A stand-in for Charter: the API contract (`openapi.yaml`) and a simulator that serves it.

Nothing here imports the loop's own packages, so a wrong model on one side cannot cancel itself out on the other.
"""
