"""The embedded stack on one machine: finds the servers' binaries, starts, watches and stops the services."""
