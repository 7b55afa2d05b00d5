"""The cluster as a fixture: everything in one event loop, with time that can be turned."""
