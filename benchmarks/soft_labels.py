"""What a panel teaches a classifier: a vote, the consensus, and the consensus' probabilities, by how readers err.

    python benchmarks/soft_labels.py

Drawn points of nine types in 64 dimensions; five readers name each. Who is careless takes what they do not know for the
commonest type. Each row is the mean over drawn laboratories, of points that nobody taught.
"""

from __future__ import annotations

import argparse

import numpy as np

from hemosight.scoring.dawid_skene import dawid_skene
from hemosight.space.incremental_lda import IncrementalLDA

TYPES, DIMENSIONS = 9, 64
READERS = {
    "five alike, 90% right": (0.9,) * 5,
    "five alike, 60% right": (0.6,) * 5,
    "one good, four careless": (0.92, 0.5, 0.5, 0.4, 0.4),
    "two good, three careless": (0.92, 0.88, 0.4, 0.4, 0.4),
    "three, one careless": (0.85, 0.85, 0.4),
}
WAYS = ("vote", "consensus", "probabilities", "truth")


def laboratory(readers: tuple[float, ...], cells: int, seed: int) -> dict[str, float]:
    """Accuracy on new points of a classifier that was taught in each way."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(TYPES, DIMENSIONS))

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        truth = rng.integers(TYPES, size=count)
        return (centres[truth] + rng.normal(scale=2.2, size=(count, DIMENSIONS))).astype(np.float32), truth

    (vectors, truth), (new, new_truth) = drawn(cells), drawn(2000)
    counts = np.zeros((cells, len(readers), TYPES))
    for reader, skill in enumerate(readers):
        slip = np.where(rng.random(cells) < 0.7, 0, rng.integers(TYPES, size=cells))
        said = np.where(rng.random(cells) < skill, truth, slip)
        counts[np.arange(cells), reader, said] = 1
    posterior, eye = dawid_skene(counts, prior=0.05).posterior, np.eye(TYPES)
    votes = counts.sum(axis=1) + rng.random((cells, TYPES)) * 1e-6  # a tie is drawn
    taught = (eye[votes.argmax(axis=1)], eye[posterior.argmax(axis=1)], posterior, eye[truth])
    found = {}
    for way, shares in zip(WAYS, taught, strict=True):
        learner = IncrementalLDA([str(one) for one in range(TYPES)], lambda rows: vectors[rows], DIMENSIONS)
        learner.set_soft_labels(dict(enumerate(shares)))
        classifier = learner.classifier()
        found[way] = 0.0 if classifier is None else float((classifier.scores(new).argmax(1) == new_truth).mean())
    return found


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cells", type=int, default=200)
    options.add_argument("--laboratories", type=int, default=40)
    given = options.parse_args()
    print(f"{'readers':26}", *(f"{way:>14}" for way in WAYS))
    for name, readers in READERS.items():
        rows = [laboratory(readers, given.cells, seed) for seed in range(given.laboratories)]
        print(f"{name:26}", *(f"{np.mean([row[way] for row in rows]):14.3f}" for way in WAYS))
        better = [row["probabilities"] - row["vote"] for row in rows]
        low, high = np.quantile(better, [0.025, 0.975])
        print(f"{'':26} probabilities - vote: {np.mean(better):+.3f}, 95% of laboratories {low:+.3f} to {high:+.3f}")


if __name__ == "__main__":
    main()
