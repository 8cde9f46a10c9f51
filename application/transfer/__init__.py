"""Content on the move between stores: copied exactly as it is, compared with what it came from, kept in an archive."""
