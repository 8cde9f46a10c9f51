"""Cases, users and knowledge in a local SQLite file; sessions and caches in another one."""
