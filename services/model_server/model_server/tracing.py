"""Spans of requests for an OpenTelemetry collector, where one is named; a caller's trace is continued.

OTEL_EXPORTER_OTLP_ENDPOINT names the collector (gRPC), MODEL_SERVER_TRACE_SHARE the share of traces that begin here and
are kept (default 0.01); of a caller's traces those are kept that the caller keeps. Nothing of it is imported where no
collector is named.
"""

from __future__ import annotations

import os
import time
from typing import Any

from model_server.errors import ServiceError


class Tracer:
    """Records a span a request. Make it in a worker: it has a thread of its own."""

    def __init__(self, name: str, share: float) -> None:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        from opentelemetry.trace import SpanKind, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = TracerProvider(
            resource=Resource.create({"service.name": name}), sampler=ParentBased(TraceIdRatioBased(share))
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=1000))
        self._tracer = self._provider.get_tracer("model_server")
        self._extract = TraceContextTextMapPropagator().extract
        self._server, self._error = SpanKind.SERVER, StatusCode.ERROR

    def record(self, parent: str | None, seconds: float, protocol: str, status: int, arm: str, digest: str) -> None:
        """Record a request that has just been answered; `parent` is its header `traceparent`."""
        end = time.time_ns()
        context = self._extract({"traceparent": parent}) if parent else None
        span = self._tracer.start_span(
            f"infer {protocol}", context=context, kind=self._server, start_time=end - int(seconds * 1e9)
        )
        if span.is_recording():
            span.set_attributes(
                {"model.protocol": protocol, "model.arm": arm, "model.digest": digest, "http.status_code": status}
            )
            if status >= 500:
                span.set_status(self._error)
        span.end(end)

    def stop(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def opened(name: str, environment: Any = os.environ) -> Tracer | None:
    """Return what records spans, or None where no collector is named. Raises ServiceError for a share that is none."""
    if not environment.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return None
    text = environment.get("MODEL_SERVER_TRACE_SHARE", "0.01")
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ServiceError("MODEL_SERVER_TRACE_SHARE", f"{text!r} is no share", "give a number from 0 to 1")
    return Tracer(name, share)
