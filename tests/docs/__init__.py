"""Pages of docs do what they say."""
