"""``python -m hemosight`` is ``hemosight``."""

from hemosight.cli import main

if __name__ == "__main__":
    main()
