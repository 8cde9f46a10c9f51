"""Tests of the vectors in PostgreSQL."""
