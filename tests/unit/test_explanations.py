"""A code from a log is enough to learn what happened, what helps and who can fix it."""

import json

import pytest

from packshot.errors import CATALOGUE, ConfigError, ImageError
from packshot.explanations import explain


@pytest.mark.parametrize("kind", CATALOGUE.values())
def test_every_code_is_explained(kind: type[ImageError]) -> None:
    said = explain(kind.code, as_json=False)

    for words in (kind.code, kind.meaning, kind.advice, f"Who can fix it: {kind.fixed_by}."):
        assert words in said


def test_a_machine_reads_the_same() -> None:
    said = explain("source_gone", as_json=True)

    gone = CATALOGUE["source_gone"]
    assert json.loads(said) == [
        {
            "code": "source_gone",
            "meaning": gone.meaning,
            "advice": gone.advice,
            "transient": False,
            "fixed_by": "supplier",
        }
    ]


def test_without_a_code_all_are_explained() -> None:
    said = explain(None, as_json=True)

    assert [kind["code"] for kind in json.loads(said)] == list(CATALOGUE)


def test_a_code_may_be_written_as_logs_shout_it() -> None:
    assert explain(" SOURCE_GONE", as_json=False).startswith("source_gone\n")


def test_a_misspelt_code_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"no error code 'source_gon'. Did you mean source_gone"):
        explain("source_gon", as_json=False)


def test_a_code_that_resembles_none_is_told_where_all_are() -> None:
    with pytest.raises(ConfigError, match="packshot explain lists all codes"):
        explain("42", as_json=False)
