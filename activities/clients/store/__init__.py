"""The knowledge store: outcomes, snapshots, audit, guards in one database."""
