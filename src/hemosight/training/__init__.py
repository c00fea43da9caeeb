"""The encoder: a backbone, the losses and recipes that train it, and its export. The only room that needs torch."""
