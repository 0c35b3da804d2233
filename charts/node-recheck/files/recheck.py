"""Measures the node that it runs on and holds it against the node's own baseline; or serves the figures to Prometheus.

`recheck.py measure`, `recheck.py serve`. Standard library only: any image with Python serves. Each node has a ConfigMap
with its baseline and last run; figures are such that more is better. The environment gives NODE, NAMESPACE, SECONDS,
BASELINE_RUNS, TOLERANCE, CONFIRMATIONS, ACTION and PORT.
"""

import hashlib
import http.server
import json
import os
import pathlib
import ssl
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
LABEL = "portolan.dev/node-recheck"
TAINT = "portolan.dev/behind-baseline"
BLOCK = 64 << 20
APPEND = b"x" * 2300  # as etcd's log


def repeated(work, seconds):
    """Return the median seconds of one call over so many seconds, five calls at least."""
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end or len(times) < 5:
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def measured(seconds, place):
    """Return the figures of this node."""
    source, target = bytearray(os.urandom(1 << 20) * (BLOCK >> 20)), bytearray(BLOCK)
    from_view, to_view = memoryview(source), memoryview(target)

    def copy():
        to_view[:] = from_view

    with tempfile.TemporaryFile(dir=place) as log:

        def append():
            log.write(APPEND)
            log.flush()
            os.fdatasync(log.fileno())

        return {
            "memory_copied_bytes_per_second": BLOCK / repeated(copy, seconds),
            "hashed_bytes_per_second": BLOCK / repeated(lambda: hashlib.sha256(source).digest(), seconds),
            "durable_appends_per_second": 1 / repeated(append, seconds),
        }


def judged(known, figures, now, baseline_runs, tolerance, confirmations):
    """Return a node's new record. Until the baseline stands nothing is behind; what is behind once must be so again."""
    runs = list(known.get("baseline_runs", []))
    record = {"figures": figures, "time": now, "baseline_runs": runs, "behind": [], "runs_behind": 0}
    if len(runs) < baseline_runs:
        return {**record, "baseline_runs": [*runs, figures], "baseline": {}, "ratios": {}}
    baseline = {name: statistics.median(run[name] for run in runs if name in run) for name in runs[0]}
    ratios = {name: figures[name] / baseline[name] for name in baseline if name in figures and baseline[name] > 0}
    slow = sorted(name for name, ratio in ratios.items() if ratio < tolerance)
    times = known.get("runs_behind", 0) + 1 if slow else 0
    behind = slow if times >= confirmations else []
    return {**record, "baseline": baseline, "ratios": ratios, "behind": behind, "runs_behind": times}


def with_taint(taints, behind):
    """Return a node's taints with ours where it is behind, and without it where it is not."""
    others = [taint for taint in taints if taint["key"] != TAINT]
    return [*others, {"key": TAINT, "value": "true", "effect": "PreferNoSchedule"}] if behind else others


def exposed(records):
    """Return the text that Prometheus reads."""
    lines = []

    def family(name, words, samples):
        lines.extend([f"# HELP {name} {words}", f"# TYPE {name} gauge"])
        lines.extend(f"{name}{{{labels}}} {value:.10g}" for labels, value in samples)

    def each(key):
        return [
            (f'node="{node}",figure="{figure}"', value)
            for node, record in sorted(records.items())
            for figure, value in sorted(record.get(key, {}).items())
        ]

    family("portolan_node_figure", "What the last run measured; more is better.", each("figures"))
    family("portolan_node_baseline", "The median of the node's first runs.", each("baseline"))
    family("portolan_node_ratio", "The last run as a part of the baseline.", each("ratios"))
    family(
        "portolan_node_behind", "1 where the node fell behind its own baseline.",
        [(f'node="{node}"', float(bool(record["behind"]))) for node, record in sorted(records.items())],
    )  # fmt: skip
    family(
        "portolan_node_recheck_timestamp_seconds", "When the node was measured last.",
        [(f'node="{node}"', record["time"]) for node, record in sorted(records.items())],
    )  # fmt: skip
    return "\n".join(lines) + "\n"


class Cluster:
    """The few calls of the API server that are needed, with the pod's own account."""

    def __init__(self):
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        self.base = f"https://{host}:{port}"
        self.context = ssl.create_default_context(cafile=f"{ACCOUNT}/ca.crt")
        self.maps = f"/api/v1/namespaces/{os.environ['NAMESPACE']}/configmaps"

    def call(self, method, path, body=None, kind="application/json"):
        token = pathlib.Path(ACCOUNT, "token").read_text(encoding="utf-8")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind, "Accept": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=20, context=self.context) as answer:
            return json.load(answer)

    def records(self):
        found = self.call("GET", f"{self.maps}?labelSelector={LABEL}%3Dtrue")["items"]
        return {item["data"]["node"]: json.loads(item["data"]["record"]) for item in found}

    def keep(self, node, record):
        name = f"node-recheck-{node}"
        data = {"node": node, "record": json.dumps(record, sort_keys=True)}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {LABEL: "true"}}}
        try:
            self.call("PATCH", f"{self.maps}/{name}", {"data": data}, "application/merge-patch+json")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            self.call("POST", self.maps, {**body, "data": data})

    def tell(self, node, record, taint):
        """Annotate the node, taint it or take the taint away, and write an event where it is behind."""
        path, behind = f"/api/v1/nodes/{node}", record["behind"]
        known = self.call("GET", path)
        patch = {"metadata": {"annotations": {TAINT: ",".join(behind) or None}}}
        present = known["spec"].get("taints", [])
        wanted = with_taint(present, bool(behind) and taint)
        if wanted != present:
            # The list is replaced whole: only where nobody changed the node in the meantime.
            patch["metadata"]["resourceVersion"] = known["metadata"]["resourceVersion"]
            patch["spec"] = {"taints": wanted or None}
        self.call("PATCH", path, patch, "application/merge-patch+json")
        if behind:
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            told = ", ".join(f"{name} at {record['ratios'][name]:.0%}" for name in behind)
            event = {
                "apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": "BehindBaseline", "count": 1,
                "metadata": {"generateName": f"{node}-behind-", "namespace": os.environ["NAMESPACE"]},
                "involvedObject": {"kind": "Node", "name": node, "namespace": os.environ["NAMESPACE"]},
                "message": f"behind its own baseline: {told}", "source": {"component": "node-recheck"},
                "firstTimestamp": now, "lastTimestamp": now,
            }  # fmt: skip
            try:
                self.call("POST", f"/api/v1/namespaces/{os.environ['NAMESPACE']}/events", event)
            except urllib.error.HTTPError as error:  # the annotation and the figures tell it too
                print(f"no event was written: HTTP {error.code} {error.reason}", file=sys.stderr)


def measure():
    """Measure this node, keep the record, tell of it."""
    cluster, node, environment = Cluster(), os.environ["NODE"], os.environ
    figures = measured(float(environment["SECONDS"]), environment.get("PLACE", "/tmp"))
    record = judged(
        cluster.records().get(node, {}), figures, time.time(), int(environment["BASELINE_RUNS"]),
        float(environment["TOLERANCE"]), int(environment["CONFIRMATIONS"]),
    )  # fmt: skip
    cluster.keep(node, record)
    cluster.tell(node, record, environment["ACTION"] == "taint")
    print(json.dumps({"node": node, **record}, sort_keys=True))


def serve():
    """Serve /metrics and /healthz."""
    cluster = Cluster()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, text = 200, "ok\n"
            if self.path == "/metrics":
                try:
                    text = exposed(cluster.records())
                except (OSError, ValueError, KeyError) as error:
                    status, text = 503, f"the API server does not answer: {error}\n"
            elif self.path != "/healthz":
                status, text = 404, "there are /metrics and /healthz\n"
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *arguments):
            pass

    http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()


if __name__ == "__main__":
    modes = {"measure": measure, "serve": serve}
    if sys.argv[1:] not in ([name] for name in modes):
        sys.exit(f"usage: recheck.py {'|'.join(modes)}")
    modes[sys.argv[1]]()
