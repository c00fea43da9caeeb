"""Experiments: functions of embeddings, labels and a generator that return tidy tables and figures."""
