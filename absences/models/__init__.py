from .absence import FIRST_YEAR, Absence, AbsenceQuerySet, Kind, Period
from .change import AbsenceChange
from .deleted import DeletedAbsence
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
    "Kind",
    "OnHoliday",
    "Overlap",
    "Period",
]
