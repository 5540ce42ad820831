"""A diff of two constitutions is a list of rules added, removed and reworded."""

from gruyere.constitution import diff, load, parse, render


def test_equal_constitutions_do_not_differ() -> None:
    cake = load("cake")
    assert diff(cake, parse(render(cake))) == ()


def test_a_reworded_rule_is_one_change() -> None:
    text = render(load("cake"))
    changes = diff(load("cake"), parse(text.replace("Thermometer readings", "Probe thermometer readings")))
    assert [change.kind for change in changes] == ["reworded"]
    assert changes[0].category == "Testing doneness"


def test_added_and_removed_rules() -> None:
    text = render(load("cake"))
    longer = text.replace("- Thermometer", "- Asking a neighbour who knows.\n- Thermometer")
    assert [c.kind for c in diff(load("cake"), parse(longer))] == ["added"]
    assert [c.kind for c in diff(parse(longer), load("cake"))] == ["removed"]


def test_a_category_that_changes_sides_changes_every_rule() -> None:
    cake = load("cake")
    moved = cake.model_copy(
        update={
            "categories": tuple(
                c.model_copy(update={"polarity": "harmless"}) if c.name == "Professional pastry training" else c
                for c in cake.categories
            )
        }
    )
    assert sorted(c.kind for c in diff(cake, moved)) == ["added", "removed"]
