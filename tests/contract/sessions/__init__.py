"""The parts of the contracts of `ports.sessions.SessionStore` and `ports.sessions.CacheStore`."""
