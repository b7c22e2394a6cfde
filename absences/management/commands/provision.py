"""`manage.py provision FILE`: apply the directory file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, IntegrityError, OperationalError, ProgrammingError
from django.utils import translation
from tqdm import tqdm

from absences.provision import Plan, provision
from agents.provision import ChangedMeanwhile, Refused, Track, read_document
from agents.record import acting_as


class Command(BaseCommand):
    help = "Apply a directory file: territories, services, organisations, agents and absences. All of it, or nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="a JSON file, or - for standard input")
        parser.add_argument("--dry-run", action="store_true", help="say what would change, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        # An administrator's tool speaks English, the models' rules with it.
        with translation.override("en"), acting_as("provision"):
            plan = self.apply(options["file"], dry_run=options["dry_run"])
        for organisation in plan.left_without_admin:
            self.stderr.write(f"Warning: {organisation.name} ({organisation.territory}) has no admin any more.")
        self.stdout.write(str(plan))

    def apply(self, file: str, *, dry_run: bool) -> Plan:
        """Raises CommandError, in one sentence, whatever goes wrong. Nothing of a row goes into it: what a database
        says of one may quote a hash.
        """
        try:
            document = read_document(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
            return provision(document, dry_run=dry_run, track=progress(self.stderr.isatty()))
        except Refused as refused:
            for line in refused.lines:
                self.stderr.write(line)
            count = len(refused.lines)
            raise CommandError(f"{count} problem{'s' if count > 1 else ''}; nothing was changed.") from None
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}; nothing was changed.") from None
        except (ChangedMeanwhile, IntegrityError):
            raise CommandError(
                "Somebody else changed the directory meanwhile; nothing was changed. Run it again."
            ) from None
        except (OperationalError, ProgrammingError) as error:  # out of reach, busy for too long, without its tables
            why = str(error).partition("\n")[0]
            raise CommandError(f"The database did not answer ({why}); nothing was changed.") from None
        except DatabaseError:
            raise CommandError("The database refused a row; nothing was changed.") from None
        except KeyboardInterrupt:
            raise CommandError("Interrupted; nothing was changed.", returncode=130) from None


def progress(terminal: bool) -> Track:
    """A progress bar on a terminal, nothing elsewhere."""

    def track(things: Sequence[Any], label: str) -> Iterable[Any]:
        return tqdm(things, desc=label, leave=False, file=sys.stderr, disable=not terminal)

    return track
