"""The pages' common ground: templates, style and scripts, and how a page is written.

Everything is put into the page itself: it asks nothing of the network. All text is escaped but
what was made as markup.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from grpo.checkpoint.atomic import atomic_write
from grpo.report.answers import verdict
from grpo.report.text import marked, shortened, ticked


def template(name: str) -> jinja2.Template:
    """The template `name`, with the pages' filters; a name that is not given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "marked": marked, "shortened": shortened, "ticked": ticked, "verdict": verdict,
    }  # fmt: skip
    return environment.get_template(name)


def style() -> Markup:
    """The style sheet of all pages."""
    return Markup(_asset("report.css"))


def script(name: str) -> Markup:
    """The table that browses, and the script `name` that says what it shows."""
    return Markup(_asset("browse.js") + _asset(name))


def plain_script(name: str) -> Markup:
    """The script `name` alone."""
    return Markup(_asset(name))


def write_page(page: jinja2.Template, parts: Mapping[str, Any], path: Path) -> Path:
    """Write the page to `path`, which is returned; the old one stands until this one is whole."""
    atomic_write(path, page.render(parts))
    return path


def _asset(name: str) -> str:
    return (files("grpo.report") / "assets" / name).read_text(encoding="utf-8")
