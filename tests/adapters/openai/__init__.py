"""Tests of models behind a URL."""
