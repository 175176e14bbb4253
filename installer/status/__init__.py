"""How the nodes of a running cluster are."""
