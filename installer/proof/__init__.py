"""Prove that what the controller's files say is what the services of the cluster show."""
