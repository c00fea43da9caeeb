"""How many looks a search for a rare type takes until it can say that a film holds less than some share of it.

    python benchmarks/rare.py

After 150 ranked looks that found one cell: random looks, none of which finds one, for films of several sizes.
"""

from __future__ import annotations

from hemosight.scoring.rare import Looks, further

SHARES = (0.05, 0.02, 0.01, 0.005, 0.001)


def main() -> None:
    """Print the table."""
    print("| cells of the film | " + " | ".join(f"below {100 * share:g}%" for share in SHARES) + " |")
    print("|---" * (len(SHARES) + 1) + "|")
    for cells in (400, 1000, 4120, 10000, 50000):
        more = [further(Looks(cells, 150, 1), share) for share in SHARES]
        words = ["not by any number" if looks is None else f"{looks:,}" for looks in more]
        print(f"| {cells:,} | " + " | ".join(words) + " |")


if __name__ == "__main__":
    main()
