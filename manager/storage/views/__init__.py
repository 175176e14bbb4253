"""What replies have of each resource."""
