"""Tests of the adapter that computes a model with sentence-transformers."""
