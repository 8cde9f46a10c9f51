"""Tests of the embedded Chroma and of the Chroma server."""
