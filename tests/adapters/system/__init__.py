"""The clock and the random source."""
