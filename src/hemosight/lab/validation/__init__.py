"""Validation of a bundle on a laboratory's own cells: a protocol written before looking, and a dossier for its file."""
