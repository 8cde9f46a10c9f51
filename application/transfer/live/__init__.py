"""Moves an installation to other stores while it serves."""
