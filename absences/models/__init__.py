from .absence import FIRST_YEAR, Absence, AbsenceQuerySet, Kind, Period
from .change import AbsenceChange
from .deleted import DeletedAbsence
from .feed import Feed, Privacy
from .policy import AbsencePolicy, OnHoliday, Overlap
from .tally import AbsenceTally

__all__ = [
    "FIRST_YEAR",
    "Absence",
    "AbsenceChange",
    "AbsencePolicy",
    "AbsenceQuerySet",
    "AbsenceTally",
    "DeletedAbsence",
    "Feed",
    "Kind",
    "OnHoliday",
    "Overlap",
    "Period",
    "Privacy",
]
