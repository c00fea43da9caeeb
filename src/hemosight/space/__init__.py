"""The landscape read: embeddings, labels that turn points into classes, neighbours, novelty. Imports no other room."""
