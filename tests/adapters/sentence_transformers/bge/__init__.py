"""Tests that need PyTorch; `make test-bge` runs them."""
