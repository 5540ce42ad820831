"""Characters that look like others, or like nothing at all."""

import re
import unicodedata
from functools import lru_cache

_PAIRS = {
    # Cyrillic
    **dict(zip("асеорхуіјѕһԁԛԝѵɡӏктмнв", "aceopxyijshdqwvglktmhb", strict=True)),
    **dict(zip("АВСЕНІЈКМОРЅТХУԌԚԜҮЗЬ", "ABCEHIJKMOPSTXYGQWYZb", strict=True)),
    # Greek
    **dict(zip("αβγεηικνορτυχωϲϳ", "abyenikvoptuxwcj", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹͿ", "ABEZHIKMNOPTYXCJ", strict=True)),
    # Small capitals and other Latin letters that NFKC leaves alone
    **dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnopqrstuvwyz", strict=True)),
    **dict(zip("ıȷɑɩʋɾʂƅɋ", "ijaivrsbq", strict=True)),
    # Armenian and Cherokee look-alikes met most often
    **dict(zip("օսոզհցՏՕ", "ounqhgSO", strict=True)),
    **dict(zip("ᎪᏴᏟᎠᎬᎻᏆᎫᏦᏞᎷᎾᏢᏒᏚᎢᏙᎳᎽᏃ", "ABCDEHIJKLMNPRSTVWYZ", strict=True)),
}  # fmt: skip
_ENCLOSED = {
    **{chr(0x1F130 + n): chr(65 + n) for n in range(26)},
    **{chr(0x1F150 + n): chr(65 + n) for n in range(26)},
    **{chr(0x1F170 + n): chr(65 + n) for n in range(26)},
    **{chr(0x1F1E6 + n): chr(65 + n) for n in range(26)},
}
CONFUSABLE: dict[int, str] = {ord(char): plain for char, plain in {**_PAIRS, **_ENCLOSED}.items()}
"""Code point to the plain letter that it looks like."""

_INVISIBLE = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
INVISIBLE = re.compile(f"[{_INVISIBLE}\U000e0100-\U000e01ef]")
"""Zero-width characters, joiners, direction marks, fillers, variation selectors."""
MARKS = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
"""Combining marks as used in Latin, Greek and Cyrillic text."""
OVERLAYS = re.compile("[\u0334-\u0338\u20d0-\u20ff]")
"""Strokes and enclosures that no orthography needs on Latin letters."""
TAG_CHARACTERS = re.compile("[\U000e0020-\U000e007e]+")
STYLED = re.compile(
    "[\uff21-\uff3a\uff41-\uff5a\u24b6-\u24e9\u1d00-\u1d7f\U0001d400-\U0001d7ff\U0001f130-\U0001f189\ua730-\ua7ff\u2100-\u214f\u02b0-\u02e3\u2070-\u209c]"
)
"""Full-width, mathematical, enclosed, small-capital and superscript letters."""
_RUN = re.compile(r"[^\W_]+")
_ASCII_LETTER = re.compile("[A-Za-z]")


@lru_cache(maxsize=20_000)
def fold(word: str) -> str:
    """Return a word in plain letters: no invisible characters, styles, look-alikes or piled-up marks.

    Look-alikes are replaced only where every letter of the word is, or looks like, an
    ASCII letter, so that words of another script stay as they are.
    """
    word = TAG_CHARACTERS.sub("", INVISIBLE.sub("", word))
    if word.isascii():
        return word
    parts = (unicodedata.normalize("NFKC", char) for char in word)
    word = "".join(part if len(part) <= 4 else char for part, char in zip(parts, word, strict=True))
    plain = word.translate(CONFUSABLE)
    if _excessive(plain):
        plain = MARKS.sub("", plain)
    return plain if plain.isascii() or _is_latin(word, plain) else word


def _is_latin(word: str, plain: str) -> bool:
    """Whether the folded word is Latin: nearly so if the word had Latin letters, wholly if it had none."""
    letters = [c for c in plain if c.isalpha()]
    latin = sum(c.isascii() for c in letters)
    return 0 < len(letters) <= latin or (_ASCII_LETTER.search(word) is not None and latin * 4 >= 3 * len(letters))


def _excessive(word: str) -> bool:
    marks, letters = len(MARKS.findall(word)), len(_ASCII_LETTER.findall(word))
    return bool(OVERLAYS.search(word)) or (marks >= 3 and marks >= 0.9 * letters)


@lru_cache(maxsize=20_000)
def disguise(word: str) -> int:
    """Return how strongly a word that is not ASCII hides plain letters: 0 not at all, 1 a little, 2 for sure."""
    letters = len(_ASCII_LETTER.findall(word))
    if letters and OVERLAYS.search(word):
        return min(2, len(OVERLAYS.findall(word)))
    if _excessive(word):
        return 2
    hidden = len(
        re.findall(r"(?<=[A-Za-z0-9])[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u034f]+(?=[A-Za-z0-9])", word)
    )
    if hidden:
        return 2 if hidden >= 2 else 1
    styled = len(STYLED.findall(word))
    if styled >= 2:  # ＮＨＫ is how Japanese text writes it
        return 2 if styled >= 4 else 1
    return max((_mixture(run) for run in _RUN.findall(INVISIBLE.sub("", word))), default=0)


def _mixture(run: str) -> int:
    """Weigh a run of letters and digits in which look-alikes stand among plain letters: VPN-подписку has none."""
    letters, lookalikes = len(_ASCII_LETTER.findall(run)), sum(ord(c) in CONFUSABLE for c in run)
    if not letters or not lookalikes or len(run) < 3 or not fold(run).isascii():
        return 0
    return 2 if lookalikes >= 2 and len(run) >= 4 else 1
