"""The load, in the customs' own units. Everything but the declarations may be left out, and is then absent."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from portolan.model import Model
from portolan.sites.rules import DnsLabel, fault

Share = Annotated[float, Field(ge=0, le=1)]


class TrainingJob(Model):
    """One kind of training: what is learnt from, how large the model is, and how often it is trained anew.

    `trees` are boosted trees on table rows, `vision` a detector on images, `language` a language model on tokens.
    """

    name: DnsLabel
    kind: Literal["trees", "vision", "language"]
    runs_per_month: PositiveFloat = 1.0
    hours_per_run: Annotated[float, Field(gt=0, le=720)] = 24.0  # longest time that one run may take
    rows: PositiveInt | None = None  # trees
    images: PositiveInt | None = None  # vision
    epochs: PositiveInt = 50  # vision
    tokens: PositiveInt | None = None  # language
    parameters_billions: PositiveFloat = 8.0  # language
    adapters_only: bool = True  # language: LoRA (true) or all weights (false)

    @model_validator(mode="after")
    def _has_its_data(self) -> Self:
        wanted = {"trees": "rows", "vision": "images", "language": "tokens"}[self.kind]
        for key in ("rows", "images", "tokens"):
            given = getattr(self, key) is not None
            if key == wanted and not given:
                raise fault(
                    ("workload", "training_jobs"),
                    f"training job {self.name} of kind {self.kind} has no {wanted}",
                    f"add `{wanted}: ...`: how many of them one run learns from",
                )
            if key != wanted and given:
                raise fault(
                    ("workload", "training_jobs"),
                    f"training job {self.name} of kind {self.kind} cannot have {key}",
                    f"remove {key}, or change the kind",
                )
        return self


class Workload(Model):
    """The load in the customs' own units."""

    declarations_per_day: Annotated[int, Field(ge=0, le=100_000_000)]
    items_per_declaration: PositiveFloat = 1.0
    working_hours_per_day: Annotated[float, Field(gt=0, le=24)] = 8.0
    peak_factor: Annotated[float, Field(ge=1)] = 3.0
    score_latency_seconds: PositiveFloat = 1.0
    training_declarations: PositiveInt = 50_000
    structured_gigabytes_per_day: NonNegativeFloat = 0.0
    unstructured_gigabytes_per_day: NonNegativeFloat = 0.0
    retention_days: Annotated[int, Field(ge=1, le=36_500)] = 365
    growth_per_year: Annotated[float, Field(ge=0, le=10)] = 0.0
    availability: Annotated[float, Field(gt=0, lt=1)] = 0.99

    documents_per_day: NonNegativeInt = 0  # scanned invoices, certificates, bills of lading
    pages_per_document: PositiveFloat = 2.0
    xray_images_per_day: NonNegativeInt = 0  # containers or parcels that a scanner sees
    xray_views: Annotated[int, Field(ge=1, le=16)] = 1  # views, or energies, of one container
    xray_width_pixels: Annotated[int, Field(ge=64, le=100_000)] = 4000
    xray_height_pixels: Annotated[int, Field(ge=64, le=100_000)] = 1200
    tracking_devices: NonNegativeInt = 0  # seals, trackers, sensors, cameras that speak
    tracking_events_per_second: NonNegativeFloat = 0.0  # at the peak, of all devices together
    tracking_event_bytes: Annotated[int, Field(ge=1, le=10_000_000)] = 1000
    tracking_retention_hours: PositiveFloat = 168.0  # how long the stream itself can be read again
    language_model_users: NonNegativeInt = 0
    language_model_active_share: Share = 0.2  # of these users, in the busiest hour
    language_model_requests_per_hour: PositiveFloat = 6.0  # of an active user
    language_model_latency_seconds: PositiveFloat = 20.0  # a whole answer
    language_model_parameters_billions: PositiveFloat = 8.0
    language_model_prompt_tokens: PositiveInt = 3000  # with the passages that retrieval adds
    language_model_answer_tokens: PositiveInt = 400
    data_scientists: NonNegativeInt = 0
    notebook_share: Share = 0.5  # of the data scientists, at work at once
    notebook_cores: PositiveFloat = 2.0
    notebook_gigabytes: PositiveFloat = 8.0
    training_jobs: tuple[TrainingJob, ...] = ()
    batch_gigabytes: NonNegativeFloat = 0.0  # read by the nightly batch (cleaning, features)
    batch_hours: Annotated[float, Field(gt=0, le=24)] = 4.0

    share_on_site: Share | None = None  # of load and data that must not leave; a hybrid site must say it
    recovery_time_hours: PositiveFloat = 24.0  # until the data are back after a disaster
    recovery_point_hours: PositiveFloat = 24.0  # of data that a disaster may cost
    horizon_years: Annotated[int, Field(ge=1, le=10)] = 5

    @model_validator(mode="after")
    def _jobs_have_names_of_their_own(self) -> Self:
        names = [job.name for job in self.training_jobs]
        twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
        if twice is not None:
            place = len(names) - 1 - names[::-1].index(twice)
            raise fault(
                ("workload", "training_jobs", place, "name"),
                f"training job '{twice}' is given twice",
                "give each training job a name of its own",
            )
        return self
