from .absence import FIRST_YEAR, Absence, AbsenceQuerySet, Kind, Period
from .deleted import DeletedAbsence
from .policy import AbsencePolicy, OnHoliday, Overlap
from .tally import AbsenceTally

__all__ = [
    "FIRST_YEAR",
    "Absence",
    "AbsencePolicy",
    "AbsenceQuerySet",
    "AbsenceTally",
    "DeletedAbsence",
    "Kind",
    "OnHoliday",
    "Overlap",
    "Period",
]
