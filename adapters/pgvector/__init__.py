"""Vectors in PostgreSQL with the extension pgvector.

A collection is a table with an HNSW index (`collection`). A query that leaves few records compares them one by one, a
larger one walks through the index (`statements`); either way the distances are computed from what is stored
(`vectors`).
"""
