"""Settings, composition, and the start and stop of the process."""
