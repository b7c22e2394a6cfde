"""Territories, services and organisations of the directory file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from typing import Any

from agents.models import Organisation, Service, Territory

from .document import Problems, Shape, flag, items, quoted, text, text_or_nothing
from .section import Section, change, create

SECRETARIAT = "Secrétariat"


class Territories(Section[Territory]):
    """Each by its `departement_number`."""

    name = "territories"
    shape = Shape(required={"departement_number": text, "name": text}, optional={"time_zone": text})
    columns = ("departement_number", "name", "time_zone")

    def __init__(self, document: Mapping[str, Any], problems: Problems) -> None:
        super().__init__(problems)
        self.known = {
            territory.departement_number: territory for territory in Territory.objects.exclude(departement_number="")
        }
        for path, item in items(document, self.name, problems):
            values = self.shape.read(item, path, problems)
            number = values.get("departement_number")
            if number is None or self.is_repeated(number, path):
                continue
            territory = self.known.get(number)
            new = territory is None
            territory = self.known.setdefault(number, Territory())
            changed = self.give(territory, values, path, new=new)
            self.count(territory, changed, new=new)

    def named(self, number: str, path: str) -> Territory | None:
        """The territory of that number; None, and a problem at `path`, if there is none."""
        if number not in self.known:
            self.problems.add(path, f"no territory with number {quoted(number)}")
        return self.known.get(number)

    def write(self) -> None:
        create(Territory, self.created)
        change(Territory, self.updated, ("name", "time_zone"))


class Services(Section[Service]):
    """Each by its `name`, whatever its case."""

    name = "services"
    shape = Shape(required={"name": text}, optional={"short_name": text, "secretariat": flag})
    columns = ("name", "short_name")

    def __init__(self, document: Mapping[str, Any], problems: Problems) -> None:
        super().__init__(problems)
        self.known = {service.name.lower(): service for service in Service.objects.order_by("-pk")}
        listed = {}
        for path, item in items(document, self.name, problems):
            values = self.shape.read(item, path, problems)
            name = values.get("name")
            if name is None or self.is_repeated(name.lower(), path):
                continue
            service = self.known.get(name.lower())
            new = service is None
            service = self.known.setdefault(name.lower(), Service())
            if new:
                values = {"short_name": name, "secretariat": name == SECRETARIAT} | values
            listed[service.name.lower() or name.lower()] = path
            self.count(service, self.give(service, values, path, new=new), new=new)
        self._refuse_shared_short_names(listed)

    def _refuse_shared_short_names(self, listed: Mapping[str, str]) -> None:
        # Those of the file come last, so that the problem is theirs.
        owners: dict[str, Service] = {}
        for key, service in sorted(self.known.items(), key=lambda entry: entry[0] in listed):
            owner = owners.setdefault(service.short_name.lower(), service)
            if owner is not service and key in listed:
                sentence = f"{quoted(service.short_name)} is the short name of {quoted(owner.name)} already"
                self.problems.add(f"{listed[key]}.short_name", sentence)

    def named(self, name: str, path: str) -> Service | None:
        """The service of that name; None, and a problem at `path`, if there is none."""
        if name.lower() not in self.known:
            self.problems.add(path, f"no service named {quoted(name)}")
        return self.known.get(name.lower())

    def write(self) -> None:
        create(Service, self.created)
        change(Service, self.updated, ("name", "short_name", "secretariat"))


class Organisations(Section[Organisation]):
    """Each by its `name` within the territory of its `departement_number`."""

    name = "organisations"
    shape = Shape(
        required={"name": text, "departement_number": text},
        optional={"email": text_or_nothing, "phone_number": text_or_nothing},
    )
    columns = ("name", "email", "phone_number")

    def __init__(self, document: Mapping[str, Any], problems: Problems, territories: Territories) -> None:
        super().__init__(problems)
        # By name, then by the number of the territory.
        self.known: dict[str, dict[str, Organisation]] = defaultdict(dict)
        for organisation in Organisation.objects.select_related("territory").order_by("pk"):
            self.known[organisation.name][organisation.territory.departement_number] = organisation
        self._stored: dict[int, Organisation] = {}
        # Named by the file, but in no territory that could be found: one problem, not one for each role there.
        self._astray: set[str] = set()
        for path, item in items(document, self.name, problems):
            values = self.shape.read(item, path, problems)
            name, number = values.get("name"), values.pop("departement_number", None)
            territory = number and territories.named(number, f"{path}.departement_number")
            if name is None or not territory:
                self._astray.add(name or "")
                continue
            if self.is_repeated((number, name), path):
                continue
            organisation = self.known[name].get(number)
            new = organisation is None
            organisation = self.known[name].setdefault(number, Organisation(territory=territory))
            self.count(organisation, self.give(organisation, values, path, new=new), new=new)

    def named(self, name: str, number: str | None, path: str) -> Organisation | None:
        """The organisation of that name, in the territory of that number if one is given; None, and a problem at
        `path`, if there is none or more than one.
        """
        candidates = self.known.get(name, {})
        if number is not None:
            candidates = {number: candidates[number]} if number in candidates else {}
        if len(candidates) == 1:
            return next(iter(candidates.values()))
        if candidates:
            numbers = ", ".join(map(quoted, sorted(candidates)))
            sentence = f'more than one organisation is named {quoted(name)}: add "departement_number" ({numbers})'
            self.problems.add(path, sentence)
        elif name not in self._astray:
            where = f" in territory {quoted(number)}" if number is not None else ""
            self.problems.add(path, f"no organisation named {quoted(name)}{where}")
        return None

    def stored(self, ids: Iterable[int]) -> list[Organisation]:
        """Those of these ids that were stored when the file was read, in any order."""
        if not self._stored:
            known = (organisation for same_name in self.known.values() for organisation in same_name.values())
            self._stored = {organisation.pk: organisation for organisation in known if organisation.pk is not None}
        return [self._stored[pk] for pk in ids if pk in self._stored]

    def by_id(self, ids: Container[int]) -> list[Organisation]:
        """The stored organisations of these ids."""
        known = (organisation for same_name in self.known.values() for organisation in same_name.values())
        return [organisation for organisation in known if organisation.pk in ids]

    def write(self) -> None:
        create(Organisation, self.created)
        change(Organisation, self.updated, ("email", "phone_number", "updated_at"))
