"""Tests of the packaged model."""
