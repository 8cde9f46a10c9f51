"""The command line: the operator's driving adapter."""
