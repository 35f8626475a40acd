"""Sentences about mistakes: place, key, what is wrong, and the word that was probably meant."""

from pipeline_framework.config.mistakes import Mistake, Places, dotted, nearest, suggestion, unknown_key

PLACES = Places(
    "p.yml", {("b",): 2, ("b", "c"): 3, ("a",): 1}, {"hunter22": "${PW}", "hunter22-long": "${LONG}"}
)


def test_a_sentence_has_file_line_and_key() -> None:
    """The innermost key decides."""
    assert PLACES.sentence(Mistake(("b", "c"), "Is odd.")) == "p.yml:3: b.c: Is odd."


def test_a_key_without_line_has_that_of_the_key_around_it() -> None:
    """What is missing has no line of its own."""
    assert PLACES.sentence(Mistake(("b", "x", 2), "Is odd.")) == "p.yml:2: b.x[2]: Is odd."
    assert PLACES.sentence(Mistake(("z",), "Is missing.")) == "p.yml: z: Is missing."
    assert Places().sentence(Mistake((), "Is odd.")) == "configuration: Is odd."


def test_all_mistakes_are_told_in_the_order_of_the_file() -> None:
    """Each once, one per line."""
    mistakes = [Mistake(("b",), "Two."), Mistake(("a",), "One."), Mistake(("b",), "Two.")]
    assert str(PLACES.misuse(mistakes)).splitlines() == ["p.yml:1: a: One.", "p.yml:2: b: Two."]


def test_secrets_are_blotted_out_longest_first() -> None:
    """A secret that begins like another leaves no rest behind."""
    assert PLACES.sentence(Mistake(("a",), "hunter22-long, hunter22.")) == "p.yml:1: a: ${LONG}, ${PW}."


def test_a_sentence_stays_on_its_line() -> None:
    """A value with line ends does not look like another mistake."""
    assert PLACES.sentence(Mistake(("a\n",), "Is\u2028odd.")) == r"p.yml: a\n: Is\u2028odd."


def test_keys_are_written_as_people_do() -> None:
    """Dots for names, brackets for places in a list."""
    assert dotted(("transforms", 0, "type")) == "transforms[0].type"


def test_the_nearest_word_forgives_case_and_dashes() -> None:
    """Nothing is guessed when nothing is near."""
    known = ["granularity", "lease_seconds", "grid"]
    assert nearest("granularty", known) == "granularity"
    assert nearest("Lease-Seconds", known) == "lease_seconds"
    assert nearest("colour", known) is None


def test_a_suggestion_names_one_word_or_all() -> None:
    """So that the next try is right."""
    assert suggestion("gird", ["grid", "end"]) == "Did you mean 'grid'?"
    assert suggestion("colour", ["grid", "end"]) == "Known: grid, end."
    assert suggestion("colour", []) == "Known: none."
    assert unknown_key(("control", "ulr"), ["url"]).problem == "Unknown key. Did you mean 'url'?"
