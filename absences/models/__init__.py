from .absence import FIRST_YEAR, Absence, AbsenceQuerySet
from .change import AbsenceChange
from .choices import Kind, Period
from .deleted import DeletedAbsence
from .external import ExternalId
from .feed import Feed, Privacy
from .overlaps import Overlapping
from .policy import AbsencePolicy, OnHoliday, Overlap
from .tally import AbsenceTally
from .warnings import Warned

__all__ = [
    "FIRST_YEAR",
    "Absence",
    "AbsenceChange",
    "AbsencePolicy",
    "AbsenceQuerySet",
    "AbsenceTally",
    "DeletedAbsence",
    "ExternalId",
    "Feed",
    "Kind",
    "OnHoliday",
    "Overlap",
    "Overlapping",
    "Period",
    "Privacy",
    "Warned",
]
