"""Jinja templates of pages, which escape what they show and refuse names that do not exist."""

import jinja2


def load_templates(package: str, folder: str = ".") -> jinja2.Environment:
    """Returns the templates in a folder of a package, such as "gan.evaluation"."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package, folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
