"""webhal's port to …: which sockets, clock and link."""
