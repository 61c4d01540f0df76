"""What stands between the network and the studio: each module guards against one kind of harm."""
