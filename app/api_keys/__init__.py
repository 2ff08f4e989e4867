"""API keys: made on the server, stored as digests, shown once."""
