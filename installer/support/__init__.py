"""What an engineer needs to see of a cluster that misbehaves: questions to nodes, an archive."""
