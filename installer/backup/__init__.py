"""Backups of a whole cluster: the sets, their parts, and where they are kept."""
