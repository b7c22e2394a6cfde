"""What other systems call an absence (row I12): one name a system, in a territory, is one absence's alone.

A territory, because the systems of one know nothing of those of another: whoever takes a name takes it from nobody
else. That of the organisation that the agent shows when the name is given; it stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.utils.translation import gettext_lazy as _

from agents.models import Agent, Territory
from agents.models.external import ExternalName, name_taken

from .absence import Absence

TERRITORY = "shown__organisation__territory"


class ExternalIdQuerySet(models.QuerySet["ExternalId"]):
    def visible_to(self, agent: Agent) -> ExternalIdQuerySet:
        """Those of the territories where `agent` has a role; of whom the absences are is another question."""
        return self.filter(territory__in=Territory.objects.visible_to(agent))


class ExternalId(ExternalName):
    """A name that a system gave to an absence. The row of the absence holds a copy, which is the one that is shown."""

    # By number: a deletion asks for this table only where there is a name.
    absence = models.ForeignKey(
        Absence, on_delete=models.DO_NOTHING, db_constraint=False, related_name="names", verbose_name=_("absence")
    )

    # The absence was made of several: it is more than what the system calls so.
    part = models.BooleanField(_("partie"), default=False, db_default=False)

    objects = ExternalIdQuerySet.as_manager()

    class Meta:
        verbose_name = _("identifiant externe")
        verbose_name_plural = _("identifiants externes")
        default_permissions = ()
        constraints = (ExternalName.once_in_territory("external_id_once_in_territory"),)


def territories_of(agents: Collection[int]) -> dict[int, int]:
    """By agent, the territory of the organisation that they show; not of those who show none."""
    found = Agent.objects.filter(pk__in=agents).order_by().values_list("pk", TERRITORY)
    return {pk: territory for pk, territory in found if territory is not None}


def holders(names: Iterable[tuple[int, str, str]]) -> dict[tuple[int, str, str], int]:
    """By territory, system and id, the absence that has that name."""
    wanted = set(names)
    systems = {system for _territory, system, _value in wanted}
    values = {value for _territory, _system, value in wanted}
    found = ExternalId.objects.filter(system__in=systems, value__in=values, territory__in={one[0] for one in wanted})
    rows = found.values_list("territory", "system", "value", "absence") if wanted else ()
    return {
        (territory, system, value): pk for territory, system, value, pk in rows if (territory, system, value) in wanted
    }


def taken(absence: Absence, caller: Any) -> tuple[int | None, list[ValidationError]]:
    """Of an absence that is to be saved, the territory of its names, and what is wrong with them: those that another
    one has. None and nothing for an agent out of `caller`'s sight, of whom nothing is told.
    """
    had = absence.remembered.get("external_ids") or {}
    given = {system: value for system, value in (absence.external_ids or {}).items() if had.get(system) != value}
    if not given:
        return 0, []
    agents = Agent.objects.visible_to(caller).filter(pk=absence.agent_id).order_by()
    territory = next(iter(agents.values_list(TERRITORY, flat=True)), None)
    if territory is None:
        return None, []
    has = holders((territory, system, value) for system, value in given.items())
    failures = [name_taken(system, value) for (_territory, system, value), pk in has.items() if pk != absence.pk]
    return territory, failures


def name_all(absences: Collection[Absence], before: Mapping[int, Mapping[str, str] | None]) -> None:
    """Write the names of stored absences; `before`: those that they had. Raises IntegrityError when somebody else took
    one meanwhile.
    """
    given: list[tuple[Absence, str, str]] = []
    lost: list[tuple[int, str, str]] = []
    for absence in absences:
        had, has = before.get(absence.pk) or {}, absence.external_ids or {}
        given += [(absence, system, value) for system, value in has.items() if had.get(system) != value]
        given += [(absence, system, value) for system, value in absence.aliases if has.get(system) != value]
        lost += [(absence.pk, system, value) for system, value in had.items() if has.get(system) != value]
        if had and not has:  # those that it had from others which it took in too
            ExternalId.objects.filter(absence=absence.pk).delete()
            del lost[len(lost) - len(had) :]
    for pk, system, value in lost:
        ExternalId.objects.filter(absence=pk, system=system, value=value).delete()
    if given:
        territories = territories_of({absence.agent_id for absence, _system, _value in given})
        # What it took in from others brought their names along.
        own = ExternalId.objects.filter(absence__in=[absence.pk for absence, _system, _value in given])
        has = set(own.values_list("absence", "system", "value"))
        ExternalId.objects.bulk_create(
            ExternalId(territory_id=territories[absence.agent_id], system=system, value=value, absence_id=absence.pk)
            for absence, system, value in given
            if absence.agent_id in territories and (absence.pk, system, value) not in has
        )


def name_parts(absences: Collection[Absence]) -> None:
    """The names of absences that took others in are from now on those of parts of them."""
    ExternalId.objects.filter(absence__in=[absence.pk for absence in absences]).update(part=True)


@receiver(post_save, sender=Absence)
def follow(instance: Absence, **signal: Any) -> None:
    """Heard before the record, whose ear is connected later: the row still remembers what it had."""
    had = instance.remembered.get("external_ids")
    if instance.aliases or (had or {}) != (instance.external_ids or {}):
        name_all([instance], {instance.pk: had})


@receiver(post_delete, sender=Absence)
def forget(instance: Absence, **signal: Any) -> None:
    """A name is free again when its absence is gone; the tombstone tells what it was."""
    if instance.external_ids:
        ExternalId.objects.filter(absence=instance.pk).delete()
