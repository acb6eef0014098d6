"""The record and the notice of a data set of emoji: content, origin, authors, licenses. Does not import TensorFlow."""

from dataclasses import dataclass

from gan.data.sources.emoji_package import Source

KIND = "emoji"
"""Value of `kind` in `about.json`."""

_OBLIGATIONS = {
    "Apache-2.0": (
        "Pass this notice and the text of the license on with the pictures. They were changed: vectors became pixels."
    ),
    "MIT": "Pass the name of the author and the text of the license on with the pictures.",
    "CC-BY-4.0": (
        "Wherever you show the pictures or pass them on, name the author and the license with its address. Say that "
        "they were changed: vectors became pixels."
    ),
    "CC-BY-SA-4.0": (
        "Wherever you show the pictures or pass them on, name the author and the license with its address. Say that "
        "they were changed: vectors became pixels. Pass pictures that you change on under this license only."
    ),
}
"""License -> what it asks for, in plain words."""


@dataclass(frozen=True)
class EmojiRecord:
    """An emoji of the data set."""

    name: str
    key: str
    """Code points, or the letters of the name where they are unknown. The split is a function of it."""
    category: str
    unicode_category: str
    split: str
    styles: tuple[str, ...]


@dataclass(frozen=True)
class About:
    """The content of `about.json`."""

    kind: str
    size: int
    labels: str
    styles: tuple[str, ...]
    categories: tuple[str, ...]
    class_names: tuple[str, ...]
    images: int
    counts: dict[str, dict[str, int]]
    """category, style or split -> name -> images."""
    counts_by_split: dict[str, dict[str, int]]
    """Split -> category -> images."""
    left_out: dict[str, int]
    """Reason -> number of icons that are not in the data set."""
    moved: int
    """Number of icons that their package puts into another category than the first package of the emoji does."""
    not_drawn: tuple[str, ...]
    """Style, name and reason of each icon that does not draw."""
    sha256: str
    """SHA-256 of the archive of the images."""
    pixels_sha256: str
    """SHA-256 of the pixels of the training, validation and test images, in their order."""
    versions: dict[str, str]
    """Package of Python -> version with which the images were drawn."""
    packages: tuple[Source, ...]
    attribution: str
    emoji: tuple[EmojiRecord, ...]


def attribution(source: Source) -> str:
    """Returns one line that names the emoji, their author and their license."""
    where = f" ({source.author_url})" if source.author_url else ""
    address = f", {source.license_url}" if source.license_url else ""
    return f"{source.title} by {source.author}{where}, license {source.license}{address}"


def notice(about: About) -> str:
    """Returns the text of the file that goes with the images: whom to name, and what the licenses ask for."""
    parts = [
        f"{about.images:,} pictures of {about.size} x {about.size} pixels, drawn from vectors. They are not under the "
        "license of the program that drew them, but under these:"
    ]
    for source in about.packages:
        asked = _OBLIGATIONS.get(source.license, "Read this license before you pass the pictures on.")
        parts.append(f"{attribution(source)}\nPackage: {source.package} {source.version}\n{asked}")
    return "\n\n".join(parts) + "\n"
