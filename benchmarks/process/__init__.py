"""The backend as a process: its start, its memory, and what it answers under load."""
