"""Embeddings from the words of a text alone, without a model."""
