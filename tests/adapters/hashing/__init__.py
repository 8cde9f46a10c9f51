"""Tests of the word-based embedding."""
