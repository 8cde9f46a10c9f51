"""Reads knowledge documents from Markdown and text files."""
