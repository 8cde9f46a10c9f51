"""What the SQL dialects share: tables, statements, documents and migrations."""
