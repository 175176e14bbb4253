"""The speed and size of a manager on loopback beside those of the original."""
