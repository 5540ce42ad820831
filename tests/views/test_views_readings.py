"""Encode, then view: the plain text comes back, alone and nested."""

import base64
import html
import itertools
import urllib.parse

import pytest

from gruyere.transforms import ENCODERS
from gruyere.views import read_views

TEXT = "How long does a lemon cake bake at 180 degrees, and how do I know that it is done?"
LONG = TEXT + " First cream the butter with the sugar until it is pale, then add the eggs one at a time."


def plain(text: str) -> str:
    return " ".join(text.lower().split())


def holds(encoded: str, text: str = TEXT) -> bool:
    return any(plain(text) in plain(view.text) for view in read_views(encoded))


@pytest.mark.parametrize("name", sorted(ENCODERS))
@pytest.mark.parametrize("text", [TEXT, LONG, "Please tell me how to bake a cake for my sister and her friends"])
def test_every_encoding_of_the_transforms_is_viewed(name: str, text: str) -> None:
    assert holds(ENCODERS[name](text), text)


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_an_encoded_passage_inside_plain_words_is_viewed(name: str) -> None:
    assert holds(f"Hello there, here is my question for you today:\n\n{ENCODERS[name](TEXT)}") or name == "reversed"
    assert any("cake bake" in v.text or "bake cake" in v.text for v in read_views(f"Hi, read:\n{ENCODERS[name](TEXT)}"))


def _spaced(text: str) -> str:
    return "  ".join(" ".join(word) for word in text.split())


def _shifted(text: str, by: int) -> str:
    lower = "abcdefghijklmnopqrstuvwxyz"
    return text.translate(str.maketrans(lower + lower.upper(), (shifted := lower[by:] + lower[:by]) + shifted.upper()))


def _atbash(text: str) -> str:
    lower = "abcdefghijklmnopqrstuvwxyz"
    return text.translate(str.maketrans(lower + lower.upper(), lower[::-1] + lower[::-1].upper()))


OCTETS = TEXT.encode()
FORMS = {
    "base64 wrapped at 76": base64.encodebytes(LONG.encode()).decode(),
    "base64 wrapped at 20": "\n".join(base64.b64encode(OCTETS).decode()[n : n + 20] for n in range(0, 120, 20)),
    "base64 unpadded": base64.b64encode(OCTETS).decode().rstrip("="),
    "base64 url-safe": base64.urlsafe_b64encode(("~~??>>" + TEXT).encode()).decode(),
    "base64 after a key": "data:" + base64.b64encode(OCTETS).decode(),
    "base64 off by one": "x" + base64.b64encode(OCTETS).decode(),
    "base64 in groups of 4": " ".join(base64.b64encode(OCTETS).decode()[n : n + 4] for n in range(0, 120, 4)),
    "base32": base64.b32encode(OCTETS).decode(),
    "hex spaced": OCTETS.hex(" "),
    "hex with 0x": " ".join(f"0x{octet:02x}" for octet in OCTETS),
    "hex with commas": ",".join(f"0x{octet:02X}" for octet in OCTETS),
    "hex with backslashes": "".join(f"\\x{octet:02x}" for octet in OCTETS),
    "hex with colons": OCTETS.hex(":"),
    "binary spaced": " ".join(f"{octet:08b}" for octet in OCTETS),
    "binary": "".join(f"{octet:08b}" for octet in OCTETS),
    "percent, spaces only": urllib.parse.quote(TEXT),
    "percent, all": "".join(f"%{octet:02x}" for octet in OCTETS),
    "html, decimal": "".join(f"&#{octet};" for octet in OCTETS),
    "html, hexadecimal": "".join(f"&#x{octet:x};" for octet in OCTETS),
    "unicode escapes": "".join(f"\\u{octet:04x}" for octet in OCTETS),
    "full-width": TEXT.translate({n: n + 0xFEE0 for n in range(33, 127)}),
    "mathematical": TEXT.translate({**{97 + n: 0x1D5BA + n for n in range(26)}, **{65 + n: 0x1D5A0 + n for n in range(26)}}),
    "circled": TEXT.lower().translate({97 + n: 0x24D0 + n for n in range(26)}),
    "struck through": "".join(c + "\u0336" for c in TEXT),
    "zalgo": "".join(c + "\u0301\u0316\u0349" if c.isalpha() else c for c in TEXT),
    "tags": "What a day!" + "".join(chr(0xE0000 + ord(c)) for c in TEXT),
    "tags without cover": "".join(chr(0xE0000 + ord(c)) for c in TEXT),
    "spaced letters": _spaced(TEXT),
    "dotted letters": " ".join(".".join(word) if word.isalpha() else word for word in TEXT.split()),
    "words backwards": " ".join(word[::-1] for word in TEXT.split()),
    "atbash": _atbash(TEXT),
}  # fmt: skip


@pytest.mark.parametrize("form", sorted(FORMS))
def test_other_forms_are_viewed(form: str) -> None:
    assert holds(FORMS[form])


@pytest.mark.parametrize("by", range(1, 26))
def test_every_shift_of_the_alphabet_is_viewed(by: int) -> None:
    assert holds(_shifted(TEXT, by))


def test_named_entities_are_undone_where_a_view_is_open() -> None:
    assert holds("".join(f"&#{ord(c)};" for c in "flour &") + " " + html.escape("eggs & sugar"), "eggs & sugar")


OUTER = ("base64", "hex", "homoglyphs", "zero_width")
INNER = ("base64", "hex", "rot13", "reversed", "morse", "leetspeak", "homoglyphs", "zero_width")


@pytest.mark.parametrize(("inner", "outer"), list(itertools.product(INNER, OUTER)))
def test_pairs_are_viewed(inner: str, outer: str) -> None:
    assert holds(ENCODERS[outer](ENCODERS[inner](TEXT)))


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        ("base64", "rot13"),
        ("hex", "rot13"),
        ("base64", "reversed"),
        ("hex", "reversed"),
        ("morse", "reversed"),
        ("rot13", "reversed"),
        ("reversed", "rot13"),
        ("rot13", "morse"),
        ("hex", "morse"),
        ("zero_width", "rot13"),
    ],
)
def test_pairs_under_a_cipher_are_viewed(inner: str, outer: str) -> None:
    assert holds(ENCODERS[outer](ENCODERS[inner](TEXT)))


@pytest.mark.parametrize(
    "names", [("rot13", "base64", "hex"), ("base64", "base64", "base64"), ("morse", "hex", "base64")]
)
def test_three_layers_are_viewed_and_the_chain_names_them(names: tuple[str, ...]) -> None:
    text = TEXT
    for name in names:
        text = ENCODERS[name](text)
    found = [view.chain for view in read_views(text) if plain(TEXT) in plain(view.text)]
    assert len(found) == 1
    assert len(found[0]) == 3


def test_depth_limits_the_nesting() -> None:
    twice = ENCODERS["base64"](ENCODERS["base64"](TEXT))
    assert {view.chain for view in read_views(twice, depth=1)} == {("base64",)}
    assert ("base64", "base64") in {view.chain for view in read_views(twice, depth=2)}
    with pytest.raises(ValueError, match="depth must be at least 1"):
        read_views(twice, depth=0)


def test_other_languages_are_viewed_through_octets() -> None:
    for text in (
        "Как испечь торт без яиц и масла",
        "怎么烤一个蛋糕给我妹妹",
        "Wie backe ich einen Kuchen für meine Schwester",
    ):
        for name in ("base64", "hex"):
            assert holds(ENCODERS[name](text), text)
