"""Cases and users in PostgreSQL."""
