"""Peer (b): FastAPI with asynchronous SQLAlchemy (asyncpg), ORM objects and Pydantic models, on our tables."""

from __future__ import annotations

import datetime
import os
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from pydantic import BaseModel
from sqlalchemy import DateTime, ForeignKey, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, contains_eager, mapped_column, relationship, selectinload

from absences.ical import absence_calendar, absence_uid
from rdv.api.times import wire_datetime

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgres://", "postgresql+asyncpg://"), pool_size=4, max_overflow=0
)
Session = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


class Base(DeclarativeBase):
    type_annotation_map = {datetime.datetime: DateTime(timezone=True)}


class Role(Base):
    __tablename__ = "agents_agentrole"
    id: Mapped[int] = mapped_column(primary_key=True)
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents_agent.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("agents_organisation.id"))
    access_level: Mapped[str]
    organisation: Mapped[Organisation] = relationship()


class Organisation(Base):
    __tablename__ = "agents_organisation"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None]
    name: Mapped[str]
    phone_number: Mapped[str | None]
    verticale: Mapped[str]


class Agent(Base):
    __tablename__ = "agents_agent"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None]
    first_name: Mapped[str | None]
    inclusion_connect_open_id_sub: Mapped[str | None]
    last_name: Mapped[str | None]
    is_active: Mapped[bool]
    roles: Mapped[list[Role]] = relationship()


class ServiceOfAgent(Base):
    __tablename__ = "agents_agent_services"
    id: Mapped[int] = mapped_column(primary_key=True)
    agent_id: Mapped[int]
    service_id: Mapped[int]


class Token(Base):
    __tablename__ = "agents_clienttoken"
    id: Mapped[int] = mapped_column(primary_key=True)
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents_agent.id"))
    client: Mapped[str]
    digest: Mapped[str]
    expires_at: Mapped[datetime.datetime]
    revoked_at: Mapped[datetime.datetime | None]
    agent: Mapped[Agent] = relationship()


class Absence(Base):
    __tablename__ = "absences_absence"
    id: Mapped[int] = mapped_column(primary_key=True)
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents_agent.id"))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("agents_organisation.id"))
    title: Mapped[str]
    folded_title: Mapped[str]
    first_day: Mapped[datetime.date]
    start_time: Mapped[datetime.time]
    end_day: Mapped[datetime.date]
    end_time: Mapped[datetime.time]
    version: Mapped[int]
    created_at: Mapped[datetime.datetime]
    updated_at: Mapped[datetime.datetime]
    agent: Mapped[Agent] = relationship()
    organisation: Mapped[Organisation | None] = relationship()


class AgentOut(BaseModel):
    id: int
    email: str | None
    first_name: str | None
    inclusion_connect_open_id_sub: str | None
    last_name: str | None


class OrganisationOut(BaseModel):
    id: int
    email: str | None
    name: str
    phone_number: str | None
    verticale: str


class AbsenceOut(BaseModel):
    id: int
    agent: AgentOut
    created_at: str
    end_day: datetime.date
    end_time: datetime.time
    first_day: datetime.date
    ical: str
    ical_uid: str
    organisation: OrganisationOut | None
    rrule: str | None
    start_time: datetime.time
    title: str
    updated_at: str
    url: str
    version: int


class Meta(BaseModel):
    current_page: int
    next_page: int | None
    prev_page: int | None
    total_pages: int
    total_count: int


class ListOut(BaseModel):
    absences: list[AbsenceOut]
    meta: Meta


class OneOut(BaseModel):
    absence: AbsenceOut


def out(absence: Absence, base: str) -> AbsenceOut:
    organisation = absence.organisation or min(
        (role.organisation for role in absence.agent.roles), key=lambda one: one.id, default=None
    )
    return AbsenceOut(
        id=absence.id,
        agent=AgentOut.model_validate(absence.agent, from_attributes=True),
        created_at=wire_datetime(absence.created_at),
        end_day=absence.end_day,
        end_time=absence.end_time,
        first_day=absence.first_day,
        ical=absence_calendar(
            absence.id,
            absence.title,
            absence.first_day,
            absence.start_time,
            absence.end_day,
            absence.end_time,
            absence.updated_at,
            sequence=absence.version - 1,
        ),
        ical_uid=absence_uid(absence.id),
        organisation=organisation and OrganisationOut.model_validate(organisation, from_attributes=True),
        rrule=None,
        start_time=absence.start_time,
        title=absence.title,
        updated_at=wire_datetime(absence.updated_at),
        url=f"{base}/api/v1/absences/{absence.id}",
        version=absence.version,
    )


async def session() -> Any:
    async with Session() as opened:
        yield opened


Database = Annotated[AsyncSession, Depends(session)]


async def caller(
    database: Database,
    client: Annotated[str, Header()] = "",
    uid: Annotated[str, Header()] = "",
    access_token: Annotated[str, Header()] = "",
) -> Agent:
    token = (
        await database.execute(
            select(Token).join(Token.agent).options(contains_eager(Token.agent)).where(Token.client == client)
        )
    ).scalar_one_or_none()
    if (
        token is None
        or token.digest != sha256(access_token.encode()).hexdigest()
        or token.agent.email != uid
        or token.revoked_at
        or token.expires_at <= datetime.datetime.now(datetime.UTC)
    ):
        raise HTTPException(401)
    return token.agent


Caller = Annotated[Agent, Depends(caller)]


def visible(agent: Agent) -> Any:
    mine = select(Role.organisation_id).where(Role.agent_id == agent.id)
    colleagues = select(ServiceOfAgent.agent_id).where(
        ServiceOfAgent.service_id.in_(select(ServiceOfAgent.service_id).where(ServiceOfAgent.agent_id == agent.id))
    )
    return select(Role.agent_id).where(
        or_(
            Role.organisation_id.in_(mine.where(Role.access_level == "admin")),
            Role.organisation_id.in_(mine.where(Role.access_level == "basic")) & Role.agent_id.in_(colleagues),
        )
    )


WHOLE = (
    selectinload(Absence.agent).selectinload(Agent.roles).selectinload(Role.organisation),
    selectinload(Absence.organisation),
)


@app.get("/api/v1/absences")
async def absences(request: Request, agent: Caller, database: Database) -> ListOut:
    total = (
        await database.execute(select(func.count()).select_from(Absence).where(Absence.agent_id.in_(visible(agent))))
    ).scalar_one()
    rows = (
        await database.execute(
            select(Absence)
            .where(Absence.agent_id.in_(visible(agent)))
            .options(*WHOLE)
            .order_by(Absence.first_day.desc(), Absence.start_time.desc(), Absence.id.desc())
            .limit(100)
        )
    ).scalars()
    base = str(request.base_url)[:-1]
    meta = Meta(
        current_page=1,
        next_page=2 if total > 100 else None,
        prev_page=None,
        total_pages=-(-total // 100),
        total_count=total,
    )
    return ListOut(absences=[out(row, base) for row in rows], meta=meta)


@app.get("/api/v1/absences/{pk}")
async def absence(pk: int, request: Request, agent: Caller, database: Database) -> OneOut:
    row = (
        await database.execute(
            select(Absence).where(Absence.id == pk, Absence.agent_id.in_(visible(agent))).options(*WHOLE)
        )
    ).scalar_one_or_none()
    if row is None:
        raise HTTPException(404)
    return OneOut(absence=out(row, str(request.base_url)[:-1]))


class AbsenceIn(BaseModel):
    agent_id: int | None = None
    title: str
    first_day: datetime.date | None = None
    start_time: datetime.time | None = None
    end_day: datetime.date | None = None
    end_time: datetime.time | None = None


@app.post("/api/v1/absences")
async def create(sent: AbsenceIn, request: Request, agent: Caller, database: Database) -> OneOut:
    if (sent.first_day, sent.start_time) >= (sent.end_day, sent.end_time):  # type: ignore[operator]
        raise HTTPException(422)
    if (await database.execute(visible(agent).where(Role.agent_id == sent.agent_id))).first() is None:
        raise HTTPException(403)
    now = datetime.datetime.now(datetime.UTC)
    row = Absence(**sent.model_dump(), folded_title=sent.title.lower(), version=1, created_at=now, updated_at=now)
    database.add(row)
    await database.commit()
    return await absence(row.id, request, agent, database)


@app.patch("/api/v1/absences/{pk}")
async def update(pk: int, sent: AbsenceIn, request: Request, agent: Caller, database: Database) -> OneOut:
    row = (
        await database.execute(
            select(Absence).where(Absence.id == pk, Absence.agent_id.in_(visible(agent))).with_for_update()
        )
    ).scalar_one_or_none()
    if row is None:
        raise HTTPException(404)
    row.title, row.folded_title, row.version = sent.title, sent.title.lower(), row.version + 1
    row.updated_at = datetime.datetime.now(datetime.UTC)
    await database.commit()
    return await absence(pk, request, agent, database)
