"""What the application needs of the outside world: protocols, value types and errors."""
