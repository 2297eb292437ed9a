"""Settings of Sphinx."""

from __future__ import annotations

from secrettool import __version__

project = "secrettool"
author = "The secrettool authors"
project_copyright = "2026, The secrettool authors"
version = release = __version__

extensions = ["myst_parser", "sphinx_click"]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["_build"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"secrettool {release}"
man_pages = [("reference/cli", "secrettool", "secrets of a GitOps repository, interchangeable with sops", author, 1)]
# sphinx-click links environment variables to their options, also to hidden ones, which it does not print.
suppress_warnings = ["ref.option"]
