"""The adapters on plain files."""
