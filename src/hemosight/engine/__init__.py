"""Reading: a bundle and crops in, readings out. No torch, no HTTP, no database."""
