"""Tests of the embedded Chroma."""
