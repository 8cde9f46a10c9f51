"""The sessions and caches in Redis and its relatives."""
