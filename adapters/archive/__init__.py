"""Archives as ZIP files."""
