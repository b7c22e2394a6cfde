"""What is written down when something fails: where, and what kind of failure; never what was sent, held or stored."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import orjson
from django.http import HttpRequest
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

# PostgreSQL's word on a failure repeats the row that it refused, hashes and digests included.
_ROW = re.compile(r"^DETAIL:.*?(?=\n\n|\nCONTEXT:|\nTraceback |\Z)", re.MULTILINE | re.DOTALL)


def without_row(failure: str) -> str:
    return _ROW.sub("DETAIL: (left out)", failure)


class Line(logging.Formatter):
    """A line of the log, and the traceback that goes with it."""

    def formatException(self, failure: Any) -> str:  # noqa: N802 - logging's own name
        return without_row(super().formatException(failure))


class JsonLine(Line):
    """The same as one JSON object; with the `fields` that the line was given, in the place of a sentence.

    What python-json-logger would add is the choice of keys; what is left out of a failure would still be ours.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        fields: dict[str, Any] | None = getattr(record, "fields", None)
        if fields is not None:
            line |= fields
        else:
            line |= {"request_id": getattr(record, "correlation_id", None), "message": record.getMessage()}
            if record.exc_info:
                line["failure"] = self.formatException(record.exc_info)
            if record.stack_info:
                line["stack"] = self.formatStack(record.stack_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class Reporter(ExceptionReporter):
    """Django's report of an exception, by mail or as a page, whoever asks for one: without the request, whose headers,
    cookies, address and body hold credentials, and without the value of any variable.
    """

    def __init__(
        self,
        request: HttpRequest | None,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
        is_email: bool = False,
    ) -> None:
        super().__init__(None, exc_type, exc_value, tb, is_email)

    def get_traceback_data(self) -> dict[str, Any]:
        data: dict[str, Any] = super().get_traceback_data()
        if "exception_value" in data:
            data["exception_value"] = without_row(str(self.exc_value))
        return data

    def get_traceback_frames(self) -> list[dict[str, Any]]:
        frames = super().get_traceback_frames()
        return [frame | {"exc_cause": frame["exc_cause"] and without_row(str(frame["exc_cause"]))} for frame in frames]


class Filter(SafeExceptionReporterFilter):
    """Leaves out settings, of which some are addresses with a password in them, and variables."""

    def get_safe_settings(self) -> dict[str, Any]:
        return {}

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: Any) -> Any:
        return ()
