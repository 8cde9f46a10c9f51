"""What the databases share."""
