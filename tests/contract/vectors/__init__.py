"""The parts of the contract of `ports.vectors.VectorStore`."""
