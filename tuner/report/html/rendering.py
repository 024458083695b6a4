"""Fills in the templates of the page. Templates, style sheet and script are files of this package."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = "tuner.report.html"


def render(template: str, **values: Any) -> str:
    """Fills in a template.

    Every value is escaped, unless the template itself marks it as safe.

    Args:
        template: File name in `templates/`.
        values: The values that the template refers to, by name.

    Raises:
        jinja2.TemplateError: There is no such template, or it refers to a value that was not given.
    """
    return _environment().get_template(template).render(values)


def static_text(name: str) -> str:
    """Returns the text of a file in `static/`, such as the style sheet.

    Raises:
        OSError: There is no such file.
    """
    return (resources.files(PACKAGE) / "static" / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment
