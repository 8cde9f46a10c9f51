"""Cases, users and knowledge in a local SQLite file."""
