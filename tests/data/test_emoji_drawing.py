"""Icons become pixels: known shapes exactly, emoji as they were drawn before."""

import sys

import numpy as np
import pytest
from helpers.emoji_packages import COMMITTED, RED

from gan.data import images
from gan.data.sources.emoji_drawing import DrawingError, count_elements, draw
from gan.data.sources.emoji_package import Icon, IconSet, find_packages
from gan.errors import InputError

DRAWN = COMMITTED.parent / "emoji-drawn"


def drawn(body=RED, size=16, **place):
    return draw(Icon(body, **place), IconSet({}), size)


def red(rows, columns, size=16):
    """Returns a white square with a red rectangle."""
    pixels = np.full((size, size, 3), 255, np.uint8)
    pixels[rows, columns] = [255, 0, 0]
    return pixels


ALL = slice(None)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ({}, red(ALL, ALL)),
        ({"width": 32}, red(slice(4, 12), slice(0, 8))),
        ({"height": 32}, red(slice(0, 8), slice(4, 12))),
        ({"left": 8}, red(ALL, slice(0, 8))),
        ({"top": -8}, red(slice(8, 16), ALL)),
    ],
    ids=["square", "wide", "tall", "left", "top"],
)
def test_an_icon_stands_in_the_middle_of_a_white_square(place, expected):
    np.testing.assert_array_equal(drawn(**place), expected)


def test_an_icon_has_the_size_of_its_package_unless_it_says_another():
    np.testing.assert_array_equal(draw(Icon(RED), IconSet({}, width=32, height=32), 16), red(slice(0, 8), slice(0, 8)))


@pytest.mark.parametrize("size", [16, 33, 256])
def test_the_size_is_the_one_asked_for(size):
    np.testing.assert_array_equal(drawn(size=size), red(ALL, ALL, size))


def test_half_transparent_parts_are_mixed_with_white():
    body = '<path fill="#f00" fill-opacity="0.5" d="M0 0h16v16H0z"/>'
    np.testing.assert_allclose(drawn(body), np.broadcast_to([255, 127, 127], (16, 16, 3)), atol=1)


@pytest.mark.parametrize("name", ["frog", "rainbow"])
@pytest.mark.parametrize("style", ["noto", "fluent-emoji-flat"])
def test_emoji_look_as_before(style, name):
    package = find_packages((style,), COMMITTED)[0]
    before = images.decode_image(DRAWN / f"{style}-{name}.png").convert("RGB")
    after = draw(package.icons.icons[name], package.icons, 32)
    difference = np.abs(after.astype(int) - np.asarray(before))
    assert difference.mean() < 1  # another version of the renderer may smooth edges in another way
    np.testing.assert_array_equal(after, draw(package.icons.icons[name], package.icons, 32))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("<g>", "mismatched tag"),
        ("", "draws nothing"),
        ('<path d="M0 0"/>', "draws nothing"),
        ('<image href="/etc/picture.png"/>', "outside"),
        ("<use xlink:href = 'file.svg#a'/>", "outside"),
        ('<feImage href="&#47;a.png"/>', "outside"),
        ("<!-- comment -->", "outside"),
        ("<?xml-stylesheet?>", "outside"),
    ],
)
def test_an_icon_that_does_not_draw_has_a_reason(body, reason):
    with pytest.raises(DrawingError, match=reason):
        drawn(body)


def nested(levels):
    """Returns parts of an icon, each of which repeats the one before ten times."""
    parts = [f'<g id="a0">{RED}</g>']
    parts += [f'<g id="a{n}">' + f'<use xlink:href="#a{n - 1}"/>' * 10 + "</g>" for n in range(1, levels + 1)]
    return f"<defs>{''.join(parts)}</defs><use xlink:href='#a{levels}'/>"


def test_nested_repetitions_are_not_drawn_without_end():
    assert count_elements(RED) == 2
    np.testing.assert_array_equal(drawn(nested(1)), red(ALL, ALL))
    for body in (nested(4), nested(50), '<g id="a"><use xlink:href="#a"/></g>', "<g>" * 9_000 + "</g>" * 9_000):
        with pytest.raises(DrawingError, match=r"more than 10,000 elements|repeats itself|nested too deeply"):
            drawn(body)


def test_references_within_the_icon_are_drawn():
    body = f'<defs><g id="a">{RED}</g></defs><use xlink:href="#a"/>'
    np.testing.assert_array_equal(drawn(body), red(ALL, ALL))


@pytest.mark.parametrize("place", [{"width": -1.0, "height": -1.0}, {"width": 0.0, "height": 0.0}])
def test_an_icon_without_a_size_does_not_draw(place):
    with pytest.raises(DrawingError, match=r"size -1 x -1|size 0 x 0"):
        drawn(**place)


def test_without_the_renderer_the_message_has_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(InputError, match=r"resvg_py is not installed.*pip install 'gan-reference\[emoji\]'"):
        drawn()
