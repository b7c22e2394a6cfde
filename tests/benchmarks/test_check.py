"""The regression check says what fell under half of its last value, after a second look, and nothing else."""

import json
import sys

import pytest

from benchmarks import check, report

pytestmark = pytest.mark.no_database

RECORDED = {"list of 100": 9.0, "show": 5.0}


def measures(*answers):
    """A measurement that gives these answers in turn, and remembers what was asked."""
    asked = []

    def measure(names):
        asked.append(list(names))
        return {name: ratio for name, ratio in answers[len(asked) - 1].items() if name in asked[-1]}

    return measure, asked


def test_half_of_the_last_value_is_enough():
    assert check.fallen({"list of 100": 4.5, "show": 2.6}, RECORDED) == []


def test_less_than_half_is_not():
    assert check.fallen({"list of 100": 4.49, "show": 9.0}, RECORDED) == ["list of 100"]


def test_what_was_never_recorded_cannot_fall():
    assert check.fallen({"create": 0.1}, RECORDED) == []
    assert check.sentence("create", {"create": 0.1}, RECORDED).endswith("no earlier value to compare with")


def test_nothing_is_measured_twice_when_all_is_well():
    measure, asked = measures({"list of 100": 9.0, "show": 5.0})
    check.judge(measure, RECORDED)
    assert asked == [list(check.OPERATIONS)]


def test_what_falls_short_is_measured_once_more_and_alone():
    measure, asked = measures({"list of 100": 3.0, "show": 5.0}, {"list of 100": 8.0})
    found = check.judge(measure, RECORDED)
    assert asked[1:] == [["list of 100"]]
    assert found == {"list of 100": 8.0, "show": 5.0}


def test_a_second_failure_is_a_regression():
    measure, asked = measures({"list of 100": 3.0, "show": 5.0}, {"list of 100": 2.0})
    assert check.fallen(check.judge(measure, RECORDED), RECORDED) == ["list of 100"]
    assert len(asked) == 2


def test_the_sentence_gives_both_values():
    said = check.sentence("list of 100", {"list of 100": 3.0}, RECORDED)
    assert said == "list of 100: 3.00 times the requests per second of (a), less than half of the last value, 9.00"


@pytest.mark.parametrize("kept", [{}, {"check": {"absences": 1, "ratios": RECORDED}}])
def test_without_a_value_measured_on_the_same_data_it_says_so(kept, tmp_path, monkeypatch):
    report.keep(tmp_path / "results.json", **kept)
    monkeypatch.setattr(sys, "argv", ["check", "--results", str(tmp_path / "results.json")])
    with pytest.raises(SystemExit, match="nothing to compare with"):
        check.main()


def test_there_are_recorded_values_for_all_that_is_checked():
    kept = json.loads(check.KEPT.read_text())["check"]
    assert kept["absences"] == check.ABSENCES
    assert set(kept["ratios"]) == set(check.OPERATIONS)
