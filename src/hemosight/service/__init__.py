"""The review service: projects of several people on one PostgreSQL, read by workers, corrected on screen. No torch."""
