"""What operating systems, file servers and viewers leave behind in folders, and nobody meant to give."""

from __future__ import annotations

import re

_NAMES = {
    *("__macosx", "@eadir", "#recycle", "@recycle", "@recently-snapshot", "#snapshot", "@tmp", "$recycle.bin"),
    *(
        "recycler",
        "recycled",
        "~snapshot",
        "_vti_cnf",
        "_vti_pvt",
        "lost+found",
        "system volume information",
        "network trash folder",
        "temporary items",
    ),
    *("trash", "recycle bin", "recycle.bin", "papierkorb", "corbeille", "cestino", "papelera de reciclaje", "lost.dir"),
    *("thumbs", "thumbnails", "thumb", "thumbnail", "__pycache__"),
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
}
_NUMBERED = re.compile(r"(?i)found\.\d{3}|\$RECYCLE\.BIN.*|.*@Syno(?:EAStream|Resource)")
"""What a check of a disk finds, and streams that a file server keeps as files."""


def is_litter(name: str) -> bool:
    """Whether a file or folder is called as litter is: hidden, a recycle bin, a thumbnail cache."""
    return (
        name.startswith((".", "~$", "SYNOPHOTO_THUMB"))
        or name.lower() in _NAMES
        or _NUMBERED.fullmatch(name) is not None
    )


def kind(name: str) -> str:
    """What a piece of litter is counted as."""
    return "hidden" if name.startswith(".") else name.strip()
