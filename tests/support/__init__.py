"""What tests share: the recorded exchange, virtual time, locations of recordings."""
