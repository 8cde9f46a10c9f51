"""The use cases: one service a module, speaking to ports only."""
