"""Every storage with every other: the whole backend, composed from settings alone."""
