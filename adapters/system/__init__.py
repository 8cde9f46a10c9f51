"""What the machine itself offers: time and randomness."""
