"""Pods find each other by name and by address, across hosts, and the endpoint is there on every host."""

from __future__ import annotations

import pytest

SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(os.uname().nodename.encode())
http.server.HTTPServer(("", 8080), Handler).serve_forever()
"""


def asking(url):
    return f"""
import time, urllib.request
for attempt in range(20):
    try:
        print(urllib.request.urlopen({url!r}, timeout=3).read().decode()); break
    except OSError as error:
        print(error); time.sleep(1)
else:
    raise SystemExit(1)
"""


def output_of(sandbox, scratch, wait_for_pod, name):
    pod = wait_for_pod(name, lambda pod: pod.status.phase in ("Succeeded", "Failed"))
    text = sandbox.core.read_namespaced_pod_log(name, scratch)
    assert pod.status.phase == "Succeeded", text
    return text.strip().splitlines()


@pytest.mark.parametrize("name", ["kubernetes.default", "kubernetes.default.svc.cluster.local"])
def test_a_pod_looks_up_a_service(sandbox, scratch, start_pod, wait_for_pod, name):
    pod = f"look-up-{name.count('.')}"
    start_pod(pod, f"import socket; print(socket.gethostbyname({name!r}))")
    service = sandbox.core.read_namespaced_service("kubernetes", "default")
    assert output_of(sandbox, scratch, wait_for_pod, pod) == [service.spec.cluster_ip]


def test_pods_reach_each_other_across_hosts_by_address_and_by_service(sandbox, scratch, start_pod, wait_for_pod):
    here, there, *_ = sandbox.workers
    start_pod("server", SERVER, node=there)
    ports = [{"port": 80, "targetPort": 8080}]
    sandbox.core.create_namespaced_service(
        scratch, {"metadata": {"name": "server"}, "spec": {"selector": {"app": "server"}, "ports": ports}}
    )
    server = wait_for_pod("server", lambda pod: pod.status.phase == "Running" and pod.status.pod_ip)
    start_pod("by-address", asking(f"http://{server.status.pod_ip}:8080/"), node=here)
    start_pod("by-service", asking(f"http://server.{scratch}/"), node=here)
    assert output_of(sandbox, scratch, wait_for_pod, "by-address")[-1] == "server"
    assert output_of(sandbox, scratch, wait_for_pod, "by-service")[-1] == "server"
    client = sandbox.core.read_namespaced_pod("by-address", scratch)
    assert client.spec.node_name == here != server.spec.node_name
    sandbox.core.delete_namespaced_service("server", scratch)


def test_the_endpoint_answers_on_every_host(sandbox):
    for name in sandbox.addresses:
        with sandbox.client(name) as client:
            answer = client.get("/v2/health/ready")
        assert answer.status_code == 200, name
