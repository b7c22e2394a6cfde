"""The tables say what was measured: medians, beside (a) in speed and beside the limit of the same database in CPU."""

import pytest

from benchmarks import growth, provision, report, servers
from benchmarks.operations import Operation

pytestmark = pytest.mark.no_database


def one(rate, server=1.0, database=1.0):
    return {"rate": rate, "p50": 1.0, "p99": 2.0, "server": server, "database": database}


FOUND = {
    "show": {
        "ours": one(100.0),
        "stock": one(20.0, server=8.0),
        "bare": one(200.0, server=0.5, database=0.5),
        "ours-sqlite": one(120.0, server=3.0, database=0.0),
        "bare-sqlite": one(300.0, server=2.0, database=0.0),
    }
}


def cells(lines, label):
    return next([cell.strip() for cell in line.strip("|").split("|")] for line in lines if f"| {label} |" in line)


def test_a_figure_is_the_median_of_its_rounds():
    operation = Operation("show", 200, {}, results={"ours": [one(1.0), one(100.0), one(3.0)]})
    assert report.figures([operation])["show"]["ours"]["rate"] == 3.0


def test_a_ratio_is_the_median_of_what_each_round_says():
    rounds = {"ours": [one(50.0), one(10.0), one(60.0)], "stock": [one(10.0), one(10.0), one(10.0)]}
    assert report.ratios([Operation("show", 200, {}, results=rounds)]) == {"show": 5.0}


def test_cpu_is_beside_the_limit_of_the_same_database():
    lines = report.table(FOUND)
    assert cells(lines, "RDV")[-2:] == ["5.00", "2.00"]
    assert cells(lines, "RDV on SQLite")[-3:] == ["in the server", "6.00", "1.50"]


def test_without_its_peers_a_server_is_beside_nothing():
    assert cells(report.table({"show": {"ours": one(1.0)}}), "RDV")[-2:] == ["", ""]


def test_provisioning_is_beside_its_peers_in_time():
    programs = {
        name: {"seconds": seconds, "process": 1.0, "database": 0.5}
        for name, seconds in (("ours", 2.0), ("stock", 20.0), ("bare", 0.5))
    }
    lines = report.provision_table({"sqlite": programs})
    assert cells(lines, "RDV") == ["SQLite", "RDV", "2.00", "1.00", "in the program", "10.00", "4.00"]


def test_what_is_kept_keeps_the_other_sections(tmp_path):
    report.keep(tmp_path / "results.json", check={"ratios": {}})
    report.keep(tmp_path / "results.json", operations=report.rounded({"show": {"rate": 1.23456}}))
    assert report.read(tmp_path / "results.json") == {"check": {"ratios": {}}, "operations": {"show": {"rate": 1.2346}}}


def test_nothing_kept_is_nothing(tmp_path):
    assert report.read(tmp_path / "results.json") == {}


def test_the_directory_gives_each_agent_one_place_and_each_organisation_an_admin():
    document = provision.directory(agents=40, organisations=20)
    roles = [role for agent in document["agents"] for role in agent["roles"]]
    assert len({agent["email"] for agent in document["agents"]}) == len(roles) == 40
    admins = {role["organisation"] for role in roles if role["access_level"] == "admin"}
    assert admins == {organisation["name"] for organisation in document["organisations"]}


@pytest.mark.parametrize(
    ("absences", "pages"), [(1_000, [1, 10]), (99_900, [1, 10, 100]), (1_000_000, [1, 10, 100, 1000])]
)
def test_only_pages_that_hold_something_are_measured(absences, pages):
    assert growth.pages_of(absences) == pages


def test_the_curves_follow_the_first_page_and_the_deepest():
    points = [
        growth.Point(1_000, 0, page, cursor, {"p50": p50})
        for page, cursor, p50 in ((1, False, 1.0), (5, False, 1.5), (10, False, 2.0), (10, True, 1.1))
    ]
    assert growth.curves(points) == {
        "first page": [(1_000, 1.0)],
        "deepest page": [(1_000, 2.0)],
        "deepest page, by cursor": [(1_000, 1.1)],
    }


@pytest.mark.parametrize(
    ("start", "rss", "said"),
    [(1.0, 100.0, ("(under 2 s)", "(under 120 MB)")), (3.0, 130.0, ("(not under 2 s)", "(not under 120 MB)"))],
)
def test_the_conclusion_says_what_the_figures_support(start, rss, said):
    starts = {servers.CHOSEN: {"first_answer": start, "rss": rss, "pss": rss}}
    found = {"show": {servers.CHOSEN: one(100.0), "gunicorn sync": one(50.0), "gunicorn gthread": one(80.0)}}
    sentence = servers.conclusion(found, starts)
    assert "1.25 times gunicorn gthread on show" in sentence
    assert all(words in sentence for words in said)
