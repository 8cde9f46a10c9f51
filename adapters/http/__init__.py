"""The HTTP interface: parses requests, calls one use case each, and words the answers for the clients."""
