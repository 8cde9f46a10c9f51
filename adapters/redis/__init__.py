"""Sessions and caches in Redis or Valkey: one server or a cluster.

The driver gives connections, the protocol and its errors. Its clients are not used: they send a command again without
knowing whether it was executed, report broken connections and unsent commands alike, and find out about a restarted
server by a failing call for each connection. Here `server` keeps the connections to one server and knows for each
failure whether anything was sent, `cluster` finds the server of a key, and on top of that the port is implemented
(`sessions`).
"""
