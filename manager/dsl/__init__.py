"""Blueprints: everything that speaks with `dsl_parser`."""
