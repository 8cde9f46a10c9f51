"""One container for each technology, and one for the services.

A module imports its technology's drivers, so it is itself imported only once its technology has been chosen.
"""
