"""Programs that run on a database node as postgres: standard library only, each complete."""
