"""docs/settings.md describes every setting, and no other."""

import re
from pathlib import Path

import pytest

from rdv.settings import ROOT, env

pytestmark = pytest.mark.no_database

ROWS = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", Path(ROOT, "docs", "settings.md").read_text(), re.MULTILINE)


def test_the_page_lists_the_settings_of_the_code():
    assert [name for name, _default in ROWS] == list(env.scheme)


def test_the_page_tells_the_defaults_of_the_code():
    told = {name: default.strip("`") for name, default in ROWS if default.startswith("`") and default.endswith("`")}
    for name, default in told.items():
        assert str(env.scheme[name][1]) == default, name
    assert {"RDV_TOKEN_LIFETIME", "RDV_SIGN_IN_LIMIT", "RDV_MAX_BODY_BYTES"} <= told.keys()
