"""What mkdocs cannot do by itself: the README is the home page, and links may leave this folder.

A link to a file of the repository that is not a page (a study, a licence) leads to a copy of it in the site,
so that the pages read the same on GitHub and in the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")
COPIES = "repository"


def on_config(config: Any) -> None:
    """Puts the pages that match in place of an entry with a star."""
    config.nav = _expanded(config.nav)


def _expanded(nav: Any) -> Any:
    if isinstance(nav, dict):
        return {title: _expanded(entry) for title, entry in nav.items()}
    if isinstance(nav, list):
        return [page for entry in nav for page in _pages(entry)]
    return nav


def _pages(entry: Any) -> list[Any]:
    if not (isinstance(entry, str) and "*" in entry):
        return [_expanded(entry)]
    docs = ROOT / "docs"
    return [path.relative_to(docs).as_posix() for path in sorted(docs.glob(entry))]


def on_files(files: Files, config: Any) -> None:
    """Adds the README as the home page."""
    text = (ROOT / "README.md").read_text()
    text = LINK.sub(lambda link: _from_docs(link[1]), text)
    files.append(File.generated(config, "index.md", content=text))


def _from_docs(target: str) -> str:
    """A link of the README as a page of this folder has it; a folder's is that of its first page."""
    if target.endswith("/"):
        target = min((ROOT / target).glob("*.md")).relative_to(ROOT).as_posix()
    return target.removeprefix("docs/") if target.startswith("docs/") else f"../{target}"


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Leads links out of the folder of the documentation to copies."""
    here = posixpath.dirname(page.file.src_uri)

    def lead(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(here, link[1]))
        if not target.startswith("../"):
            return link[1]
        copy = f"{COPIES}/{target.removeprefix('../')}"
        copy += ".txt" if copy.endswith(".md") else ""  # another page would be too late now
        if files.get_file_from_path(copy) is None:
            source = ROOT / target.removeprefix("../")
            files.append(File.generated(config, copy, content=source.read_bytes()))
        return posixpath.relpath(copy, here or ".")

    return LINK.sub(lead, markdown)
