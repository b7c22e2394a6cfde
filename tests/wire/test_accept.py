"""Which form an answer has: `Accept` (RFC 9110 12.5.1); JSON unless another one is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdv.api.accept import LONGEST, Form, form_of

pytestmark = pytest.mark.no_database

JSON, ENVELOPE, PROBLEM = Form.JSON, Form.ENVELOPE, Form.PROBLEM


@pytest.mark.parametrize(
    ("accept", "success", "error"),
    [
        ("", JSON, JSON),
        ("*/*", JSON, JSON),
        ("application/*", JSON, JSON),
        ("text/html, application/xml;q=0.9", JSON, JSON),
        ("application/json", JSON, JSON),
        ("application/json; charset=utf-8", JSON, JSON),
        ("application/json;profile=envelope", ENVELOPE, ENVELOPE),
        ('application/json; profile="envelope"', ENVELOPE, ENVELOPE),
        ("Application/JSON; Profile=envelope", ENVELOPE, ENVELOPE),
        ('application/json;profile="https://elsewhere.test/p envelope"', ENVELOPE, ENVELOPE),
        ("application/json;profile=envelope;charset=utf-8", ENVELOPE, ENVELOPE),
        ("application/json;profile=other", JSON, JSON),
        ("text/html;profile=envelope", JSON, JSON),
        ("*/*;profile=envelope", JSON, JSON),
        ("application/json;profile=envelope;q=0", JSON, JSON),
        ("application/json;profile=envelope;q=0.000", JSON, JSON),
        ("application/json;profile=envelope;q=0.5", ENVELOPE, ENVELOPE),
        ("application/json;profile=envelope;q=0.5, application/json", JSON, JSON),
        ("application/json;profile=envelope;q=0.5, */*", JSON, JSON),
        ("application/json;profile=envelope, */*;q=0.1", ENVELOPE, ENVELOPE),
        ("application/json, application/json;profile=envelope", ENVELOPE, ENVELOPE),
        ("application/problem+json", JSON, PROBLEM),
        ("application/problem+json; charset=utf-8", JSON, PROBLEM),
        ("application/json, application/problem+json", JSON, PROBLEM),
        ("application/problem+json, */*;q=0.1", JSON, PROBLEM),
        ("application/problem+json;q=0.1, */*", JSON, JSON),
        ("application/problem+json;q=0.9, application/json", JSON, JSON),
        ("application/problem+json;q=0", JSON, JSON),
        ("application/json;profile=envelope, application/problem+json", ENVELOPE, PROBLEM),
        ("application/json;profile=envelope, application/problem+json;q=0.9", ENVELOPE, ENVELOPE),
        ("application/problem+json;profile=other", JSON, JSON),
        ("application/json;profile=envelope;q=nonsense", ENVELOPE, ENVELOPE),
        ("application/json;profile*=no-such-charset''envelope", JSON, JSON),
        (",,;;profile=,=", JSON, JSON),
        ("application/json;q=1;" + "a=b;" * LONGEST + "profile=envelope", JSON, JSON),
    ],
)
def test_a_form_is_for_whoever_names_it(accept, success, error):
    assert form_of(accept, error=False) is success
    assert form_of(accept, error=True) is error


@given(
    st.text(st.characters(max_codepoint=255)).map(lambda text: "application/json;profile=" + text)
    | st.text(',;="*/ q.019application/jsonproblem+envelope')
)
def test_no_header_is_too_strange(accept):
    assert form_of(accept, error=True) in Form
    assert form_of(accept, error=False) is not PROBLEM
