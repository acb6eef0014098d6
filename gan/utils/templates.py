"""Jinja templates, which refuse names that do not exist. Those of pages escape what they show."""

import jinja2


def load_templates(package: str, folder: str = ".", *, autoescape: bool = True) -> jinja2.Environment:
    """Returns the templates in a folder of a package, such as "gan.evaluation".

    autoescape: whether values are escaped for HTML. False: the templates are of another format.
    """
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package, folder),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
