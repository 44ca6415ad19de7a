"""What several phases read from the clients and the store."""
