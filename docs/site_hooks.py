"""Hooks of the documentation site (``mkdocs.yml``): notebooks become pages.

A notebook ``tutorials/adapt.ipynb`` is shown as the page ``tutorials/adapt.md`` and stays beside it for download. Links
in Markdown name the notebook, as GitHub shows it; the site leads them to the page.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page


def as_markdown(notebook: Path) -> str:
    """A notebook as Markdown: its text as it stands, its code in fences, its printed output below.

    Raises :class:`nbformat.validator.NotebookValidationError` for a file that is no notebook.
    """
    parts = []
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif cell.cell_type == "code":
            parts.append(f"```python\n{cell.source}\n```")
            printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
            if printed.strip():
                parts.append(f"```text\n{printed.rstrip()}\n```")
    parts.append(f"[Download this page as a notebook]({notebook.name})")
    return "\n\n".join(parts) + "\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds a page for every notebook."""
    for notebook in sorted(Path(config.docs_dir).rglob("*.ipynb")):
        page = notebook.relative_to(config.docs_dir).with_suffix(".md")
        files.append(File.generated(config, page.as_posix(), content=as_markdown(notebook)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to notebooks lead to their pages, but for the link that a notebook's page has to its notebook."""
    if page.file.generated_by is not None:
        return markdown
    return re.sub(r"(\]\([^)\s]+)\.ipynb\)", r"\1.md)", markdown)
