"""Adapters that keep everything in the memory of the process: for development, for tests, and as the reference."""
