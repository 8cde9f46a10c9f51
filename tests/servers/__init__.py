"""Real servers for the tests: each is started on a free loopback port with a folder of its own, and stopped again."""
