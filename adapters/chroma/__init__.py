"""Vectors in Chroma: embedded, in a process of its own, or on a server.

Chroma's writes hold the interpreter's lock: 500 vectors freeze an event loop for half a second, even from a thread. So
the embedded engine lives in one child process (`worker`), the parent talks to it over pipes (`process`), and on top of
that the port is implemented (`vectors`).

A server is asked over HTTP (`server_client`), by any number of processes at once; what that means for the records
stands in `server_records`, and the port is implemented in `server`.
"""
