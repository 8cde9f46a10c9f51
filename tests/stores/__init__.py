"""Tests of the factory of stores."""
