"""Vectors in an embedded Chroma, which runs in a process of its own.

Chroma's writes hold the interpreter's lock: 500 vectors freeze an event loop for half a second, even from a thread. So
the engine lives in one child process (`worker`), the parent talks to it over pipes (`process`), and on top of that the
port is implemented (`vectors`).
"""
