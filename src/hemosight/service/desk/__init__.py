"""A project in memory: its cells' embeddings, the labels people gave, what the taught classifier reads."""
