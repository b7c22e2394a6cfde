"""The description is an OpenAPI 3.1 document, whole and true to itself; the copy beside the code is the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from rdv.api.openapi import document
from rdv.api.registry import operations
from rdv.descriptions import kept_at, written

LANGUAGES = ("fr", "en")
# Words that are the same in both languages.
ALIKE = {"RDV", "MIT", "`Authorization: Bearer rdv_pat_…`"}


def each(language: str = "fr") -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document(language)["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def resolved(answer: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in answer:
        return document("fr")["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return answer


def holder(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    return jsonschema_rs.Draft202012Validator(
        {"components": document("fr")["components"], "allOf": [schema]}, validate_formats=True
    )


@pytest.mark.no_database
@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_openapi(language):
    OpenAPIV31SpecValidator(document(language)).validate()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_copy_beside_the_code_is_what_the_server_says(language):
    kept = kept_at(language).read_text(encoding="utf-8")
    assert kept == written(language), "make openapi"


def test_the_server_says_it_whatever_it_is_asked_at(anonymous, db):
    for language in LANGUAGES:
        answer = anonymous.get("/api/v1/openapi.json", headers={"Accept-Language": language, "Host": "127.0.0.1:8012"})
        assert answer.json() == document(language)
        assert answer["Content-Language"] == language
        assert answer["Cache-Control"] == "public, max-age=3600"
        assert "8012" not in answer.text
        again = anonymous.get(
            "/api/v1/openapi.json", headers={"If-None-Match": answer["ETag"], "Accept-Language": language}
        )
        assert again.status_code == 304


@pytest.mark.no_database
def test_it_depends_on_no_setting(tmp_path):
    settings = {
        "RDV_ENV": "production",
        "RDV_SECRET_KEY": "un-secret-pour-cet-essai-qui-est-assez-long-pour-la-production-0123456789",
        "RDV_ALLOWED_HOSTS": "rdv.agence.example",
        "RDV_REASON": "required",
        "RDV_IF_MATCH": "required",
        "RDV_API": "off",
        "RDV_MAX_BODY_BYTES": "2000",
        "DATABASE_URL": "sqlite:///:memory:",
        "TZ": "Pacific/Auckland",
    }
    code = "import django; django.setup(); from rdv.descriptions import written; print(written('fr'), end='')"
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=settings | {"DJANGO_SETTINGS_MODULE": "rdv.settings", "PYTHONPATH": str(kept_at("fr").parent.parent)},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert told.stdout == written("fr")


@pytest.mark.no_database
@pytest.mark.parametrize("first", LANGUAGES)
def test_each_language_is_its_own_whichever_is_asked_for_first(first):
    code = (
        "import django; django.setup(); from rdv.descriptions import written;"
        f"written('{first}'); print(written('en'), end='')"
    )
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "rdv.settings"},
        capture_output=True,
        text=True,
        check=True,
        cwd=kept_at("fr").parent.parent,
    )
    assert told.stdout == written("en")


def test_every_operation_is_there_once_under_its_own_name():
    ids = [operation["operationId"] for _path, _method, operation in each()]
    assert len(ids) == len(set(ids))
    assert {id for id in ids if not id.endswith(".put")} == set(operations())
    assert {(path, method.upper()) for path, method, _operation in each()} == {
        (one.path, method) for one in operations().values() for method in one.methods
    }


@pytest.mark.no_database
def test_every_status_has_an_example_which_fits_its_schema():
    looked_at = 0
    for _path, _method, operation in each():
        for status, answer in operation["responses"].items():
            for kind, content in resolved(answer).get("content", {}).items():
                examples = [one["value"] for one in content.get("examples", {}).values()]
                examples += [content["example"]] if "example" in content else []
                where = (operation["operationId"], status, kind)
                assert examples, where
                fits = holder(content["schema"])
                for example in examples:
                    assert [error.message for error in fits.iter_errors(example)] == [], where
                    looked_at += 1
            if status not in ("204", "302", "304"):
                assert resolved(answer)["content"], (operation["operationId"], status)
    assert looked_at > 500


def test_every_example_of_a_request_fits_its_schema():
    looked_at = 0
    for _path, _method, operation in each():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for example in content.get("examples", {}).values():
                assert holder(content["schema"]).is_valid(example["value"]), operation["operationId"]
                looked_at += 1
        known = {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]}
        for example in operation["x-rdv"]["examples"]:
            for name in example["arguments"].keys() & known.keys():
                assert holder(known[name]).is_valid(example["arguments"][name]), (operation["operationId"], name)
                looked_at += 1
    assert looked_at > 10


def test_every_operation_tells_what_it_refuses_and_how_one_says_who_one_is():
    schemes = set(document("fr")["components"]["securitySchemes"])
    named = set()
    for _path, _method, operation in each():
        id = operation["operationId"]
        declared = operations()[id.removesuffix(".put")]
        assert bool(operation["security"]) is not declared.public, id
        if operation["security"]:
            # 404: contract 2.8, of a sign-out without a credential.
            assert {"401"} & set(operation["responses"]) or id == "auth.sign_out"
        named |= {name for way in operation["security"] for name in way}
        for status in ("400", "429", "500", "503"):
            assert status in operation["responses"], (id, status)
        assert operation["summary"], id
        assert operation["description"], id
        assert operation["x-rdv"]["rights"], id
        for parameter in operation["parameters"]:
            assert parameter["description"], (id, parameter["name"])
    assert named == schemes


def test_links_lead_to_operations_and_from_what_is_there():
    ids = {operation["operationId"]: operation for _path, _method, operation in each()}
    found = {}
    for id, operation in ids.items():
        links = operation["responses"].get("200", {}).get("links", {})
        for link in links.values():
            expression = link["parameters"]["id"]
            in_address = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
            assert link["parameters"] == {name: f"$request.path.{name}" for name in in_address} | {"id": expression}
            example = operation["responses"]["200"]["content"]["application/json"]["example"]
            for step in expression.removeprefix("$response.body#/").split("/"):
                example = example[int(step) if step.isdecimal() else step]
            assert isinstance(example, int)
            assert "{id}" in next(path for path, _m, one in each() if one["operationId"] == link["operationId"])
        found[id] = set(links)
    assert found["absences.create"] == {"absences.show", "absences.update", "absences.delete"}
    assert found["tokens.list"] == {"tokens.show", "tokens.update", "tokens.delete"}


def sentences(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """What is said to people, with where it is said."""
    if isinstance(value, dict):
        for name, one in value.items():
            spoken = name in ("description", "summary", "rights", "limits") and isinstance(one, str)
            if spoken and not at.endswith("/properties"):
                yield f"{at}/{name}", one
            yield from sentences(one, f"{at}/{name}")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from sentences(one, f"{at}/{number}")


def test_every_sentence_is_said_in_both_languages():
    french, english = dict(sentences(document("fr"))), dict(sentences(document("en")))
    assert french.keys() == english.keys()
    same = {
        place: sentence
        for place, sentence in french.items()
        # The names of statuses are HTTP's own, in English.
        if sentence == english[place] and sentence not in ALIKE and "/components/responses/" not in place
    }
    # What has no words of a language: names, formats, code.
    assert {one for one in same.values() if re.search(r"[a-zà-ÿ]{3,} [a-zà-ÿ]{2,}", one)} == set()


def test_the_two_say_the_same_but_for_their_sentences():
    def bare(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: bare(one, key) for key, one in value.items() if key not in ("example", "examples")}
        if isinstance(value, list):
            return [bare(one) for one in value]
        return None if name in ("description", "summary", "rights", "limits", "x-displayName") else value

    assert json.dumps(bare(document("fr"))) == json.dumps(bare(document("en")))
