"""Embeddings with sentence-transformers and PyTorch, which the extra ``bge`` installs."""
