"""What a type of cell is: its names, its letter and colour, how it is counted."""
