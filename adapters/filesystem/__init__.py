"""Adapters on plain files of one local folder, which one process owns."""
