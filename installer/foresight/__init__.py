"""What a cluster would do: who survives which loss, how long it takes, what will expire."""
