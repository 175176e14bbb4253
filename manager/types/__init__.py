"""Cloudify's built-in types: our own types.yaml, and the operations of its node types."""
