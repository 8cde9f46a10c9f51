"""What every adapter of a port must do, whatever it is made of."""
