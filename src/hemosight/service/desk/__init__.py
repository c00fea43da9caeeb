"""A project in memory: its cells' vectors, what people said of them, what the taught reader makes of them."""
