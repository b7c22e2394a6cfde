"""Serializers, a viewset and a router, as a team would write them in a week."""

from zoneinfo import ZoneInfo

import django_filters
from django.db.models import Q
from django.urls import include, path
from knox.views import LoginView
from rest_framework import serializers, viewsets
from rest_framework.authentication import BasicAuthentication
from rest_framework.pagination import PageNumberPagination
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter

from absences import ical
from absences.models import Absence
from agents.models import Agent, Organisation
from rdv.api.folding import fold

PARIS = ZoneInfo("Europe/Paris")


class WireDateTimeField(serializers.DateTimeField):
    def to_representation(self, value):
        return value.astimezone(PARIS).strftime("%Y-%m-%d %H:%M:%S %z")


class AgentSerializer(serializers.ModelSerializer):
    class Meta:
        model = Agent
        fields = ("id", "email", "first_name", "inclusion_connect_open_id_sub", "last_name")


class OrganisationSerializer(serializers.ModelSerializer):
    class Meta:
        model = Organisation
        fields = ("id", "email", "name", "phone_number", "verticale")


class AbsenceSerializer(serializers.ModelSerializer):
    agent = AgentSerializer(read_only=True)
    agent_id = serializers.PrimaryKeyRelatedField(source="agent", queryset=Agent.objects.all(), write_only=True)
    created_at = WireDateTimeField(read_only=True)
    end_time = serializers.TimeField(format="%H:%M:%S")
    ical = serializers.SerializerMethodField()
    ical_uid = serializers.SerializerMethodField()
    organisation = serializers.SerializerMethodField()
    rrule = serializers.ReadOnlyField(default=None)
    start_time = serializers.TimeField(format="%H:%M:%S")
    updated_at = WireDateTimeField(read_only=True)
    url = serializers.SerializerMethodField()

    class Meta:
        model = Absence
        fields = (
            "id",
            "agent",
            "agent_id",
            "created_at",
            "end_day",
            "end_time",
            "first_day",
            "ical",
            "ical_uid",
            "organisation",
            "rrule",
            "start_time",
            "title",
            "updated_at",
            "url",
            "version",
        )

    def get_organisation(self, absence):
        organisation = absence.organisation or min(
            absence.agent.organisations.all(), key=lambda one: one.pk, default=None
        )
        return organisation and OrganisationSerializer(organisation).data

    def get_url(self, absence):
        return self.context["request"].build_absolute_uri(f"/api/v1/absences/{absence.pk}")

    def get_ical_uid(self, absence):
        return f"absence_{absence.pk}@RDV Solidarités"

    def get_ical(self, absence):
        # The text by hand and strftime: kinder than a library that builds it object by object.
        lines = [
            "BEGIN:VEVENT",
            f"DTSTAMP:{absence.updated_at.astimezone(ZoneInfo('UTC')).strftime('%Y%m%dT%H%M%SZ')}",
            f"UID:{self.get_ical_uid(absence)}",
            f"DTSTART;TZID=Europe/Paris:{absence.first_day.strftime('%Y%m%d')}T{absence.start_time.strftime('%H%M%S')}",
            f"DTEND;TZID=Europe/Paris:{absence.end_day.strftime('%Y%m%d')}T{absence.end_time.strftime('%H%M%S')}",
            "ORGANIZER:mailto:secretariat-auto@rdv-solidarites.fr",
            f"SEQUENCE:{absence.version - 1}",
            ical.fold(f"SUMMARY:RDV Solidarités {ical.escape(absence.title)}"),
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ]
        head = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:RDV Solidarités\r\nCALSCALE:GREGORIAN\r\nMETHOD:PUBLISH\r\n"
        return head + ical.vtimezone(absence.first_day, absence.start_time) + "\r\n".join(lines)

    def validate(self, data):
        first = (data.get("first_day"), data.get("start_time"))
        last = (data.get("end_day"), data.get("end_time"))
        if None not in first + last and first >= last:
            raise serializers.ValidationError({"ends_time": "doit être après le début."})
        return data

    def update(self, instance, validated_data):
        return super().update(instance, validated_data)


class AbsenceFilters(django_filters.FilterSet):
    title = django_filters.CharFilter(method="titled")
    starts_after = django_filters.DateFilter(field_name="first_day", lookup_expr="gte")
    starts_before = django_filters.DateFilter(field_name="first_day", lookup_expr="lt")

    class Meta:
        model = Absence
        fields = ("agent_id",)

    def titled(self, queryset, name, value):
        return queryset.filter(folded_title__contains=fold(value))


class Pages(PageNumberPagination):
    page_size = 100

    def get_paginated_response(self, data):
        page = self.page
        meta = {
            "current_page": page.number,
            "next_page": page.next_page_number() if page.has_next() else None,
            "prev_page": page.previous_page_number() if page.has_previous() else None,
            "total_pages": page.paginator.num_pages,
            "total_count": page.paginator.count,
        }
        return Response({"absences": data, "meta": meta})


class AbsenceViewSet(viewsets.ModelViewSet):
    serializer_class = AbsenceSerializer
    pagination_class = Pages
    filterset_class = AbsenceFilters

    def get_queryset(self):
        agent = self.request.user
        administered = agent.roles.filter(access_level="admin").values("organisation")
        basic = agent.roles.filter(access_level="basic").values("organisation")
        visible = Agent.objects.filter(
            Q(roles__organisation__in=administered)
            | Q(roles__organisation__in=basic, services__in=agent.services.values("pk"))
        )
        return (
            Absence.objects.filter(agent__in=visible)
            .select_related("agent", "organisation")
            .prefetch_related("agent__organisations")
            .order_by("-first_day", "-start_time", "-id")
        )

    def retrieve(self, request, *args, **kwargs):
        return Response({"absence": super().retrieve(request, *args, **kwargs).data})

    def create(self, request, *args, **kwargs):
        return Response({"absence": super().create(request, *args, **kwargs).data})

    def update(self, request, *args, **kwargs):
        return Response({"absence": super().update(request, *args, **kwargs).data})


class SignIn(LoginView):
    authentication_classes = (BasicAuthentication,)


router = DefaultRouter(trailing_slash=False)
router.register("absences", AbsenceViewSet, basename="absence")
urlpatterns = [path("api/v1/auth/sign_in", SignIn.as_view()), path("api/v1/", include(router.urls))]
