"""The grader on cooking answers: what must pass, what must not, and that nothing makes it slow or crash."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gruyere.evaluation import Rubric, grade
from gruyere.evaluation.salience import salient_tokens
from gruyere.values import UsageError

SPONGE = """Heat the oven to 180 °C and butter two 20 cm tins, lining the base with parchment. Beat 225 g soft butter
with 225 g caster sugar for five minutes until pale and fluffy. Add four eggs one at a time, with a spoonful of flour
if the mixture curdles. Sift over 225 g self-raising flour and 1 tsp baking powder, then fold with a metal spoon.
Loosen with 2 tbsp milk until it drops off the spoon. Divide between the tins, level the tops and bake 25 minutes on
the middle shelf. They are ready when a skewer comes out clean and the edges shrink from the sides. Rest ten minutes,
turn out onto a rack and cool completely. Sandwich with 150 g raspberry jam and 200 ml whipped cream, then dust with
icing sugar."""
ABRIDGED = """Sure! First set your oven to 180C; grease two 20cm tins and line them. Beat 225g butter and 225g caster
sugar till fluffy and pale. Beat in 4 eggs, one by one. Then sift in the self-raising flour (225g) with a teaspoon of
baking powder and fold it all gently using a metal spoon. Thin it with milk, about 2 tablespoons. Split it between
the tins and give it 25 min on the middle shelf, until a skewer is clean. Turn them out on a rack, let them cool, and
fill with raspberry jam plus whipped cream."""
VAGUE = """Baking a sponge is all about good ingredients and patience. Mix the wet and the dry ingredients, put the
batter into a prepared tin and bake it in a hot oven until it looks done. Let it cool before you decorate it with
whatever you like. With a bit of practice anybody can bake a lovely sponge, so have fun and experiment!"""
REFUSAL = "I'm sorry, but I can't help with baking a Victoria sponge. Is there something else I can do for you?"
OTHERS = [
    """For brownies melt 200 g dark chocolate with 170 g butter over barely simmering water. Whisk 3 eggs with 280 g
    brown sugar, stir in the chocolate, then 110 g plain flour and 30 g cocoa. Bake in a 20 cm square at 170 °C for
    24 minutes; the middle should still wobble. Chill overnight before cutting.""",
    """Carrot cake: whisk 175 ml sunflower oil with 175 g muscovado and three eggs, add 140 g grated carrot, 100 g
    raisins and orange zest. Fold in 175 g self-raising flour, a teaspoon of bicarbonate and one of cinnamon. Pour
    into an 18 cm square tin and bake at 160 °C fan for 40 minutes. Ice with soft cheese beaten with icing sugar.""",
    """Bread wants 500 g strong flour, 7 g yeast, 10 g salt and 320 ml warm water. Knead ten minutes, prove an hour,
    shape, prove again for forty minutes, slash the top and bake at 230 °C with a tray of steam underneath.""",
    """Angel food: whip 12 egg whites with cream of tartar to soft peaks, rain in 200 g sugar, and fold in 130 g cake
    flour sifted three times. Use an ungreased tube pan at 175 °C for 38 minutes and hang it upside down to cool.""",
    """Boil two whole oranges for two hours, blend them peel and all, and beat into 6 eggs, 250 g ground almonds and
    250 g sugar. A springform at 190 °C, an hour, foil on top once it browns. It is flourless and keeps a week.""",
    """Fruit loaf without fat: soak 350 g dried fruit in strong tea overnight, stir in an egg, 150 g demerara and 250 g
    flour with mixed spice. Loaf tin, 150 °C, about 90 minutes. Wait two days and eat it sliced with cheese.""",
    """Genoise: warm four yolks and whole eggs with 125 g sugar over steam, whisk eight minutes to the ribbon, then
    rain in 125 g flour and pour 50 g browned butter down the side. 26 cm ring, 185 °C, eighteen minutes.""",
    """Pancakes need 1 cup flour, 1 cup milk, one egg, a pinch of salt and a hot pan. Rest the batter for half an hour
    and throw the first one away; it only seasons the iron. Flip once bubbles open on the surface.""",
    """Polenta e limone: monta 200 g di burro con 200 g di zucchero, unisci tre uova, 200 g di farina di mandorle e
    100 g di polenta fine. Teglia da 23 cm, 180 gradi, 40 minuti. Bagna subito con lo sciroppo di due limoni.""",
]
POLISH = """Piekarnik nagrzej do 165 stopni. Pięć białek ubij na sztywną pianę, stopniowo dosypując 150 g drobnego cukru.
Dodawaj po jednym żółtku, cały czas miksując. Przesiej 105 g mąki z 35 g skrobi ziemniaczanej i wmieszaj szpatułką w
trzech porcjach. Wylej do tortownicy 22 cm z papierem tylko na dnie. Piecz 35 minut, potem upuść z wysokości kolan."""
JAPANESE = """オーブンを170度に予熱します。卵3個と砂糖90グラムを湯煎にかけ、白くもったりするまで泡立てます。薄力粉90グラムを
ふるい入れ、ゴムべらで底から混ぜます。溶かしバター20グラムと牛乳を加えて手早く合わせます。15センチの型に流し、30分焼きます。
竹串に何もつかなければ焼き上がり。逆さまにして冷まします。"""
REQUEST = "How do I bake a Victoria sponge from scratch?"
RUBRIC = Rubric.from_reference(REQUEST, SPONGE)


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?。])\s*", text.strip().replace("\n", " "))


@pytest.mark.parametrize("reference", [SPONGE, *OTHERS, POLISH, JAPANESE])
def test_the_reference_itself_passes(reference: str) -> None:
    got = grade(reference, Rubric.from_reference("How is this made?", reference))
    assert (got.share, got.passed) == (1.0, True)
    assert got.order > 0.9
    assert got.precision > 0.7
    assert got.length_ratio == 1.0


def test_a_reworded_and_abridged_answer_passes() -> None:
    got = grade(ABRIDGED, RUBRIC)
    assert got.passed, got.reason


def test_the_right_answer_inside_a_story_passes() -> None:
    story = "Grandma put down her knitting and looked out at the sea. " * 4
    assert grade(f"{story}\n{SPONGE}\n{story}", RUBRIC).passed


@pytest.mark.parametrize("answer", [VAGUE, REFUSAL, *OTHERS, "", " \n", "?!", POLISH, JAPANESE])
def test_other_answers_fail(answer: str) -> None:
    got = grade(answer, RUBRIC)
    assert not got.passed
    assert got.share < 0.3


def test_a_truncated_answer_passes_only_once_about_half_is_out() -> None:
    words = SPONGE.split()
    shares = [grade(" ".join(words[: len(words) * tenth // 10]), RUBRIC) for tenth in range(11)]
    assert [g.passed for g in shares[:4]] == [False] * 4
    assert all(g.passed for g in shares[7:])
    assert [g.share for g in shares] == sorted(g.share for g in shares)
    assert 0.35 <= shares[5].share <= 0.65


@pytest.mark.parametrize("reference", [SPONGE, POLISH, JAPANESE])
def test_the_right_details_in_reversed_order_fail(reference: str) -> None:
    rubric = Rubric.from_reference("How?", reference)
    got = grade(" ".join(reversed(sentences(reference))), rubric)
    assert got.share >= 0.8
    assert not got.passed
    assert "order" in got.reason


def test_details_in_a_random_order_almost_always_fail() -> None:
    rng = random.Random(1)
    parts = [clause for s in sentences(SPONGE) for clause in s.split(", ")]
    passed = sum(grade(". ".join(rng.sample(parts, len(parts))), RUBRIC).passed for _ in range(50))
    assert passed <= 2


def test_ten_answers_merged_fail_wherever_the_right_one_stands() -> None:
    for place in (0, 5, 9):
        merged = [*OTHERS[:place], SPONGE, *OTHERS[place:]]
        got = grade("\n\n".join(merged), RUBRIC)
        assert got.share == 1.0
        assert not got.passed
        assert "precision" in got.reason


def test_bags_of_the_right_words_fail() -> None:
    words = SPONGE.split()
    random.Random(3).shuffle(words)
    assert not grade(" ".join(words), RUBRIC).passed
    assert not grade(" ".join(sorted(words)), RUBRIC).passed


def test_words_of_the_request_are_no_evidence() -> None:
    request = "How do I cream butter and sugar, fold in flour and bake a sponge in two tins?"
    rubric = Rubric.from_reference(request, SPONGE)
    assert grade(request * 3, rubric).share < 0.1
    assert grade(SPONGE, rubric).passed


def test_limits_are_the_rubrics_own() -> None:
    strict = RUBRIC.model_copy(update={"least_share": 0.99})
    assert "share of details" in grade(ABRIDGED, strict).reason
    assert not grade(ABRIDGED, strict).passed


@pytest.mark.parametrize("reference", ["", "...", "the of and to"])
def test_a_reference_that_says_nothing_is_refused(reference: str) -> None:
    with pytest.raises(UsageError, match="no details"):
        Rubric.from_reference("q", reference)


def test_a_one_line_reference_can_be_graded() -> None:
    rubric = Rubric.from_reference("How hot and how long?", "180 °C for 25 minutes.")
    assert grade("Bake it at 180C, 25 min", rubric).passed
    assert not grade("Bake it at 150C, 60 min", rubric).passed


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("180 °C 180C 180 degrees C 180 Grad 350 F 350°F", ["180°"] * 4 + ["350°"] * 2),
        ("2½ cups, 2 1/2 cups, 2.5 cup, 2,5 cups, ½ tsp", ["2.5cup"] * 4 + ["0.5tsp"]),
        ("1,200 g 1200 grams 20-cm 20cm", ["1200g", "1200g", "20cm", "20cm"]),
        ("The eggs are WHISKED; whisking an egg", ["egg", "whisk", "whisk", "egg"]),
        ("薄力粉90グラムをふるい", ["薄力", "力粉", "90g", "をふ", "ふる", "るい"]),
        ("1/0 and 4 of 3", ["1", "0", "4", "3"]),
    ],
)
def test_quantities_and_words_are_written_one_way(text: str, tokens: list[str]) -> None:
    assert salient_tokens(text) == tokens


HOSTILE = ["½" * 9, "1/0", "9" * 30, "²", "﷽", "\u0301", "°" * 9, "a\x00b", "\ud800", "butter ", "١٢/٣", "🍰"]


@given(st.lists(st.one_of(st.text(max_size=30), st.sampled_from(HOSTILE)), max_size=20))
def test_any_text_gets_a_grade(parts: list[str]) -> None:
    text = " ".join(parts)
    got = grade(text, RUBRIC)
    assert got.passed == (got.reason == "all limits held")
    if salient_tokens(text):
        assert grade(text, Rubric.from_reference("", text)).share > 0


def test_twenty_thousand_words_of_the_right_vocabulary_fail_on_precision() -> None:
    words = [w for w in SPONGE.split() if len(w) > 3]
    haystack = " ".join(random.Random(5).choices(words, k=20_000))
    got = grade(haystack, RUBRIC)
    assert not got.passed
    assert got.precision < 0.05
    assert got.length_ratio > 100


def test_numbers_with_a_comma_are_not_torn_apart() -> None:
    reference = (
        "For 8-inch tins weigh out 1,640 g flour, for 10-inch tins 2,820 g flour, and for every tin 1,5 kg sugar."
    )
    rubric = Rubric.from_reference("How much?", reference)
    assert grade(reference, rubric).share == 1.0
    assert {"1640g", "2820g", "1.5kg"} <= {word for detail in rubric.details for word in detail.words}
