"""One module a revision. A released revision never changes."""
