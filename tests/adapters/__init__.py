"""The tests of each adapter."""
