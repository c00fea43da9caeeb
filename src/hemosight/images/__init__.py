"""From files to pixels: what lies on disk, how it is split, and the one road that every pixel takes."""
