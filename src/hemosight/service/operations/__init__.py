"""Keeping the service running: logs without patient data, metrics, backup and restore."""
