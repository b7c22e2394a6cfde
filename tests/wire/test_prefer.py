"""`Prefer` (RFC 7240): how it is read, and what `return=minimal` and `return=representation` get."""

from __future__ import annotations

import time

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from rdv.api.prefer import apply, preferences


def read(header):
    return preferences(RequestFactory().get("/", headers={"Prefer": header}))


def test_no_header_prefers_nothing():
    assert preferences(RequestFactory().get("/")) == {}


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("return=minimal", {"return": "minimal"}),
        ("Return = minimal", {"return": "minimal"}),
        ('return="minimal"', {"return": "minimal"}),
        (r'return="min\imal"', {"return": "minimal"}),
        ("respond-async", {"respond-async": ""}),
        ('respond-async=""', {"respond-async": ""}),
        ("handling=strict, return=minimal", {"handling": "strict", "return": "minimal"}),
        (",, handling=strict ,\t, return=minimal,", {"handling": "strict", "return": "minimal"}),
        ('return=minimal; foo="some, parameter; \\" more", wait=10', {"return": "minimal", "wait": "10"}),
        ("return=minimal;, wait=10", {"return": "minimal", "wait": "10"}),
        ("return=minimal, return=representation", {"return": "minimal"}),
        ("return=MINIMAL", {"return": "MINIMAL"}),
    ],
)
def test_the_forms_of_rfc_7240(header, found):
    assert read(header) == found


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", {}),
        ("=", {}),
        ("return=", {}),
        ('return="minimal', {}),
        ("return minimal", {}),
        ("é=1", {}),
        ("handling=strict, @, return=minimal", {"handling": "strict"}),
        ('return=minimal; "', {}),
    ],
)
def test_what_cannot_be_read_is_left_aside_with_all_that_follows(header, found):
    assert read(header) == found


@pytest.mark.parametrize("piece", ['a="\\",', "a; ; ;", "a=b;\t ", ",", 'a="b",', "a" * 50, '"', "\\"])
def test_a_long_one_is_read_in_no_time(piece):
    started = time.perf_counter()
    read(piece * 20_000)
    assert time.perf_counter() - started < 2


def test_what_was_applied_is_told_together():
    response = HttpResponse()
    apply(response, "return", "minimal")
    apply(response, "handling", "strict")
    assert response["Preference-Applied"] == "return=minimal, handling=strict"
    assert response["Vary"] == "Prefer"
