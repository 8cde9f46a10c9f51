"""Cases, users and knowledge documents in PostgreSQL."""
