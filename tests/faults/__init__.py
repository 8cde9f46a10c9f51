"""What happens when something goes wrong, or much happens at once."""
