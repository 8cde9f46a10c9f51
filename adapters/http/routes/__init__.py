"""One module a resource. A handler parses, calls one use case, and words its result."""
