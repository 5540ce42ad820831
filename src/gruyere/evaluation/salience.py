"""Reduce text in any language to the words and quantities that carry its content.

"Preheat the oven to 180 degrees C and sift 2½ cups of flour" becomes
`prehe oven 180° sift 2.5cup flour`. Rules are few and blunt on purpose: they must behave the same
on every language and on text that was written to confuse them. No model, no dictionary.
"""

import re
import unicodedata
from fractions import Fraction

STEM = 5
"""Letters kept of a word: enough to tell words apart, few enough to ignore most inflection."""

_UNITS = {
    "°": "° °c °f ºc ºf º c f celsius fahrenheit degree degrees deg grad degrés degré grados gradi graus stopni stopnie"
    " graden градусов градуса градус 度 도",
    "g": "g gr gram grams gramm gramme grammes gramos grammi gramas gramów г гр грамм грамма 克 グラム",
    "kg": "kg kilo kilos kilogram kilograms kilogramm кг 公斤",
    "ml": "ml millilitre millilitres milliliter milliliters мл 毫升 ミリリットル",
    "l": "l litre litres liter liters litro litros л",
    "cm": "cm centimetre centimetres centimeter centimeters см 厘米 センチ",
    "mm": "mm millimetre millimetres millimeter millimeters мм",
    "in": 'in inch inches " ” zoll',
    "oz": "oz ounce ounces",
    "lb": "lb lbs pound pounds",
    "cup": "cup cups tasse tassen tasses taza tazas tazze xícara xícaras szklanka szklanki szklanek стакан стакана 杯",
    "tbsp": "tbsp tablespoon tablespoons el esslöffel cs cucharada cucharadas cucchiai cucchiaio łyżka łyżki łyżek"
    " ложка ложки 大さじ",
    "tsp": "tsp teaspoon teaspoons tl teelöffel cc cucharadita cucharaditas cucchiaini cucchiaino łyżeczka łyżeczki",
    "min": "min mins minute minutes minuten minuto minutos minuti minut minuty минут минуты минута 分钟 分",
    "h": "h hr hrs hour hours stunde stunden heure heures hora horas ora ore godzina godziny час часа часов 小时 時間",
    "s": "s sec secs second seconds sekunden secondes segundos sekund секунд 秒",
    "%": "% percent prozent",
}
_UNIT_OF = {spelling: unit for unit, spellings in _UNITS.items() for spelling in spellings.split()}

# Function words of English, German, French, Spanish, Italian, Portuguese, Polish, Dutch and Russian.
_STOP_WORDS = """
    a aan aber about after al ale all alla alle als also am an anche and ani any ao aos are as at até au auch
    auf aus aux avec be because been before bei being bez bien bij bis bitte bo both but by być can ce ces cette
    che chez ci co col com come comme como con could cuando cui czy da dal dalla damit dan dann dans das dass
    dat de degli dei del della delle dem den depois der des desde deux deze di did die dies diese dit dla do
    does doing don done dont dopo dos down du due durch e each een ein eine einem einen einer eines either el
    ela ele ella elle else em en encore entre er es essa esse est esta este esto está están et etwas even every
    few fino for from für gdy get gets give gli go goes got ha had has hasta hat have having hay he her here
    hers het hij him his hoe how however i ich if ihr ik il ile ils im in into io is isn isso ist it its itself
    ja jak jako je jego jej jest jusqu just już já kan kann keep la las le les let leur like ll lo los lub lui
    ma maar made mais make makes man many mas may me mehr met mi might mit more most może much must muy my más
    même na naar nach nad nas ne need nei nel nella ni nicht nie niech niet no noch nog non nor nos not nous now
    nur não o od oder of off ohne om on once one only onto ook op or os other ou our out over own par para pas
    pela pelo per pero peu più plus po poco pod poi por porque pour przed przez przy puis put qu quando que qui
    rather re really sa same sans se sehr sein sem senza ser ses seu shall she should si sich sie sin since sind
    się so sobre some son sono sont sous su such sul sulla sur sus são są t ta tak take también também te ten
    than that the their them then there these they thing things this those though through till to too tot tra
    très tu two ty tylko uit um uma un una und une uno unos uns unter until up us use used using van ve very
    você vom von voor vor vous w want was wat way we well wenn wer were what when where whether which while who
    why wie will wir wird with without won wordt would y ya you your yours z za ze zich zijn zo zu zum zur zwei
    à être że а без бы в во вы да для до его ее если же за и из или их к как когда ли мы на не но о он она они
    от по под при с со так то тоже только у что чтобы это я
"""
_STOP = frozenset(_STOP_WORDS.split())

_MARKS = r"\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0980-\u0983\u09bc-\u09cd"
_UNSPACED = r"\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_IDEOGRAPHIC = "|".join(sorted((u for u in _UNIT_OF if re.fullmatch(f"[{_UNSPACED}]+", u)), key=len, reverse=True))
_TOKEN = re.compile(
    rf"(?P<run>[{_UNSPACED}]+)"
    r"|(?P<number>\d+(?:[.,]\d+)?)"
    rf"(?:[ \u00a0-]?(?P<unit>{_IDEOGRAPHIC}|(?:(?![{_UNSPACED}])[^\W\d_]){{1,14}}|[°º]\s?[cf]?(?![^\W\d_])|[%\"”]))?"
    rf"|(?P<word>(?:(?![{_UNSPACED}])[^\W\d_])(?:(?![{_UNSPACED}])[^\W\d_]|[{_MARKS}])*)"
)
_VULGAR = re.compile(r"(\d{0,4})\s?([¼½¾⅐-⅞])")  # bounded: an open run of digits would cost its square
_SLASHED = re.compile(r"(?:\b(\d{1,3})[ -])?\b(\d{1,2})[/⁄](\d{1,2})\b")
_SCALE = re.compile(r"(?<=\d)\s?(degrees|grad|degrés|grados|gradi|stopni)\s[cf]\b")


def salient_tokens(text: str) -> list[str]:
    """Return the content words, stemmed, and the quantities, normalised, in order of appearance.

    Time grows linearly with the text. Words of scripts written without spaces
    become overlapping pairs of characters.
    """
    tokens: list[str] = []
    for match in _TOKEN.finditer(_plain(text)):
        if run := match["run"]:
            tokens += [run[i : i + 2] for i in range(len(run) - 1)] or [run]
        elif word := match["word"]:
            tokens += _word(word)
        else:
            tokens += _quantity(match["number"], (match["unit"] or "").replace(" ", ""))
    return tokens


def _plain(text: str) -> str:
    """Fold case and widths, and write fractions and temperatures in one way."""
    text = _VULGAR.sub(_vulgar, text)
    text = unicodedata.normalize("NFKC", text).casefold()
    return _SCALE.sub("°", _SLASHED.sub(_slashed, text))


def _vulgar(match: re.Match[str]) -> str:
    numerator, _, denominator = unicodedata.normalize("NFKC", match[2]).partition("⁄")
    return _decimal(int(match[1] or 0) + Fraction(int(numerator), int(denominator or 1)))


def _slashed(match: re.Match[str]) -> str:
    below = int(match[3])
    return _decimal(int(match[1] or 0) + Fraction(int(match[2]), below)) if below else match[0]


def _decimal(value: Fraction) -> str:
    return f"{float(value):.2f}".rstrip("0").rstrip(".")


def _word(word: str) -> list[str]:
    if word in _STOP or len(word) < 2:
        return []
    stem = word[:-1] if len(word) > 3 and word.endswith("s") else word
    return [stem[:STEM]]


def _quantity(number: str, unit: str) -> list[str]:
    known = _UNIT_OF.get(unit, "")
    whole, _, rest = number.replace(",", ".").partition(".")
    thousands = "," in number and len(rest) == 3  # 1,200 g, as against 0,5 l
    digits = whole + rest if thousands else f"{whole}.{rest}".rstrip("0").rstrip(".") if rest else whole
    return [digits + known] if known or not unit else [digits, *_word(unit)]
