"""The domain, made to order: `AgentFactory(admin_of=[organisation], services=[pmi])`."""

from __future__ import annotations

import datetime
from typing import Any

import factory
from factory.django import DjangoModelFactory

from absences.models import Absence, AbsencePolicy, Feed
from agents.models import AccessLevel, Agent, AgentRole, AgentTerritorialRole, Organisation, Service, Territory
from webhooks.models import SUBSCRIPTIONS, Attempt, Audience, Delivery, Event, WebhookEndpoint

PASSWORD = "Rendez-vous 2026 !"
# Hashed once, with the cheapest hasher: thousands of agents are made, few sign in.
UNHASHED = f"plain${PASSWORD}"


class TerritoryFactory(DjangoModelFactory):
    class Meta:
        model = Territory

    name = factory.Sequence(lambda n: f"Département {n}")
    departement_number = factory.Sequence(lambda n: f"{n % 1000:03}")


class ServiceFactory(DjangoModelFactory):
    class Meta:
        model = Service

    name = factory.Sequence(lambda n: f"Service {n}")
    short_name = factory.SelfAttribute("name")


class OrganisationFactory(DjangoModelFactory):
    class Meta:
        model = Organisation

    name = factory.Sequence(lambda n: f"MDS {n}")
    territory = factory.SubFactory(TerritoryFactory)


class AgentFactory(DjangoModelFactory):
    """An agent who can sign in with PASSWORD; `admin_of`, `basic_in`, `intervenant_in`, `services` and
    `territorial_admin_of` take lists.
    """

    class Meta:
        model = Agent
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"agent{n}@exemple.test")
    first_name = factory.Sequence(lambda n: f"Prénom{n}")
    last_name = factory.Sequence(lambda n: f"NOM{n}")
    password = UNHASHED

    @factory.post_generation
    def services(self: Agent, create: bool, extracted: Any, **kwargs: Any) -> None:
        if extracted:
            self.services.add(*extracted)

    @factory.post_generation
    def admin_of(self: Agent, create: bool, extracted: Any, **kwargs: Any) -> None:
        _give(self, AccessLevel.ADMIN, extracted)

    @factory.post_generation
    def basic_in(self: Agent, create: bool, extracted: Any, **kwargs: Any) -> None:
        _give(self, AccessLevel.BASIC, extracted)

    @factory.post_generation
    def intervenant_in(self: Agent, create: bool, extracted: Any, **kwargs: Any) -> None:
        _give(self, AccessLevel.INTERVENANT, extracted)

    @factory.post_generation
    def territorial_admin_of(self: Agent, create: bool, extracted: Any, **kwargs: Any) -> None:
        for territory in extracted or []:
            AgentTerritorialRole.objects.create(agent=self, territory=territory)


def _give(agent: Agent, level: str, organisations: Any) -> None:
    for organisation in organisations or []:
        AgentRole.objects.create(agent=agent, organisation=organisation, access_level=level)


class AbsenceFactory(DjangoModelFactory):
    class Meta:
        model = Absence

    agent = factory.SubFactory(AgentFactory)
    title = "Congés"
    first_day = datetime.date(2026, 12, 1)
    start_time = datetime.time(9, 0)
    end_day = factory.SelfAttribute("first_day")
    end_time = datetime.time(17, 0)


class FeedFactory(DjangoModelFactory):
    """A feed of its owner's own absences, unless it is of something else; `secret` is that of its address."""

    class Meta:
        model = Feed

    owner = factory.SubFactory(AgentFactory)
    name = "Absences"
    agent = factory.LazyAttribute(lambda feed: None if feed.service or feed.organisation else feed.owner)
    service = None
    organisation = None

    @classmethod
    def _create(cls, model: Any, *args: Any, **kwargs: Any) -> Feed:
        feed = cls._build(model, *args, **kwargs)
        feed.secret = feed.new_address()
        feed.save()
        return feed


class AbsencePolicyFactory(DjangoModelFactory):
    class Meta:
        model = AbsencePolicy

    organisation = factory.SubFactory(OrganisationFactory)


class WebhookEndpointFactory(DjangoModelFactory):
    """Subscribed to everything; `signed_with` is its secret."""

    class Meta:
        model = WebhookEndpoint

    organisation = factory.SubFactory(OrganisationFactory)
    target_url = factory.Sequence(lambda n: f"https://partenaire{n}.test/hooks")
    subscriptions = factory.LazyFunction(lambda: list(SUBSCRIPTIONS))

    @classmethod
    def _build(cls, model: Any, *args: Any, signed_with: str = "secret-de-webhook", **kwargs: Any) -> WebhookEndpoint:
        endpoint = model(*args, **kwargs)
        endpoint.give_secret(signed_with)
        return endpoint

    @classmethod
    def _create(cls, model: Any, *args: Any, **kwargs: Any) -> WebhookEndpoint:
        endpoint = cls._build(model, *args, **kwargs)
        endpoint.save()
        return endpoint


class EventFactory(DjangoModelFactory):
    class Meta:
        model = Event

    model = "Absence"
    object_id = factory.Sequence(lambda n: n + 1)
    event = Event.What.UPDATED
    body = (
        '{"data":{"id":31},"meta":{"model":"Absence","event":"destroyed","webhook_reason":null,'
        '"timestamp":"2025-06-02 09:15:00 +0200"}}'
    )


class AudienceFactory(DjangoModelFactory):
    class Meta:
        model = Audience

    event = factory.SubFactory(EventFactory)
    organisation_id = 1


class DeliveryFactory(DjangoModelFactory):
    class Meta:
        model = Delivery

    endpoint = factory.SubFactory(WebhookEndpointFactory)
    event = factory.SubFactory(EventFactory)
    about = factory.LazyAttribute(lambda delivery: f"{delivery.event.model}:{delivery.event.object_id}")


class AttemptFactory(DjangoModelFactory):
    class Meta:
        model = Attempt

    delivery = factory.SubFactory(DeliveryFactory)
    status = 500
    duration = 48
