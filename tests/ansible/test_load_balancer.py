"""NGINX in HAProxy's place: API servers and a published service behind it, one that is dead, a file that it refuses.

Stand-ins take the API servers' place: each says its host's name over TLS, and to `/readyz` that it is ready.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.bare_site import bare_site, site_like
from tests.support.scenario_site import ScenarioSite, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CONTROLS, WORKER = ("control-1", "control-2", "control-3"), "worker-1"
TAGS = ("--tags", "os,load_balancer")
NODES = [*({"name": name, "role": "control-plane"} for name in CONTROLS), {"name": WORKER, "role": "worker"}]
ADDRESS = "10.95.4.200"
PUBLISHED = {"name": "ingress", "port": 8080, "node_port": 30080}
NETWORK = {
    "network__virtual_address": ADDRESS, "network__load_balancer": "nginx", "network__published": [PUBLISHED],
}  # fmt: skip
SERVER = """
import http.server, socket, ssl, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        said = socket.gethostname().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
server = http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Answer)
if sys.argv[1] == "6443":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/tmp/server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
GONE = """
nft add table inet gone
nft add chain inet gone input '{ type filter hook input priority -10; }'
nft add rule inet gone input tcp dport 6443 drop
"""
# The file that nginx stands on, and whether it runs.
STATE = "sha256sum /etc/nginx/nginx.conf; systemctl is-active nginx; systemctl show --property MainPID nginx"


def serve(site: ScenarioSite, host: str, port: int) -> None:
    """Let a host answer at a port, as a server that has just come up."""
    site.output_of(host, f"cat > /tmp/server.py <<'END'\n{SERVER}\nEND")
    site.output_of(
        host,
        "test -e /tmp/server.pem || openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=api -days 2 "
        "-keyout /tmp/server.pem -out /tmp/certificate.pem 2>&1 && cat /tmp/certificate.pem >> /tmp/server.pem; "
        # By the name of what it stands for: preflight refuses anybody else at the API server's port.
        "ln -sf /usr/bin/python3 /tmp/kube-apiserver; "
        f"systemd-run --quiet --unit=answer-{port} /tmp/kube-apiserver /tmp/server.py {port}",
    )


def answers(site: ScenarioSite, url: str, times: int = 6) -> set[str]:
    """Return who answered the worker's calls, none of which may fail."""
    call = f"curl --silent --show-error --fail --insecure --max-time 8 {url}"
    return set(site.output_of(WORKER, f"for one in $(seq {times}); do {call} || exit 1; echo; done", 120).split())


def ready(site: ScenarioSite, host: str) -> bool:
    return site.on(host, "curl --silent --fail --max-time 3 http://127.0.0.1:8404/ready").returncode == 0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScenarioSite]:
    with bare_site(tmp_path_factory.mktemp("balance"), "balance", "10.95.4.0/24", NODES, **NETWORK) as made:
        made.must("converge", *TAGS)
        for host in CONTROLS:
            serve(made, host, 6443)
        serve(made, WORKER, 30080)
        wait_for("the address is held", lambda: made.on(WORKER, f"ping -c 1 -W 1 {ADDRESS}").returncode == 0)
        yield made


def test_calls_to_the_api_are_led_to_every_server_with_their_tls_untouched(site: ScenarioSite):
    wait_for("all are led to", lambda: answers(site, f"https://{ADDRESS}:8443/") == set(CONTROLS))
    assert "CN = api" in site.output_of(
        WORKER, f"openssl s_client -connect {ADDRESS}:8443 </dev/null 2>/dev/null | grep subject"
    )


def test_what_is_published_is_led_to_the_workers(site: ScenarioSite):
    assert answers(site, f"http://{ADDRESS}:8080/") == {WORKER}


def test_a_server_that_is_dead_costs_no_call_and_is_led_to_again_when_it_is_back(site: ScenarioSite):
    site.output_of("control-2", "systemctl stop answer-6443")
    assert answers(site, f"https://{ADDRESS}:8443/", 20) == {"control-1", "control-3"}
    serve(site, "control-2", 6443)
    wait_for("it is back", lambda: "control-2" in answers(site, f"https://{ADDRESS}:8443/"))


def test_a_host_whose_power_is_gone_costs_no_call(site: ScenarioSite):
    # Its packets are dropped: nobody refuses, nobody answers.
    site.output_of("control-2", GONE)
    assert answers(site, f"https://{ADDRESS}:8443/", 10) == {"control-1", "control-3"}
    site.output_of("control-2", "nft delete table inet gone")
    wait_for("it is back", lambda: "control-2" in answers(site, f"https://{ADDRESS}:8443/"))


def test_keepalived_is_told_when_no_server_is_left(site: ScenarioSite):
    assert ready(site, "control-1")
    for host in CONTROLS:
        site.output_of(host, "systemctl stop answer-6443")
    assert not ready(site, "control-1")
    for host in CONTROLS:
        serve(site, host, 6443)
    wait_for("it is ready", lambda: ready(site, "control-1"), 30)


def test_a_second_run_and_check_mode_change_nothing(site: ScenarioSite):
    for arguments in ((), ("--check",)):
        done = site.must("converge", *TAGS, "-o", "json", *arguments)
        assert json.loads(done.stdout)["changed"] == []


def test_a_file_that_nginx_refuses_is_not_laid(site: ScenarioSite):
    before = site.output_of("control-1", STATE)
    # Without its module nginx knows no streams, and the published port is a change that would be laid.
    for host in CONTROLS:
        site.output_of(host, "mv /etc/nginx/modules-enabled/*stream.conf /tmp/stream.conf")
    site_like(site.path, site.path, network__published=[{**PUBLISHED, "port": 8081}])
    done = site.portolan("converge", *TAGS)
    site_like(site.path, site.path, **NETWORK)
    for host in CONTROLS:
        site.output_of(host, "mv /tmp/stream.conf /etc/nginx/modules-enabled/50-mod-stream.conf")
    assert done.returncode == 2
    assert "/etc/nginx/nginx.conf would not be valid" in done.stderr
    assert site.output_of("control-1", STATE) == before
    assert answers(site, f"http://{ADDRESS}:8080/") == {WORKER}


def test_a_site_that_chooses_anew_gets_the_other_with_the_address_where_it_was(site: ScenarioSite):
    holder = [host for host in CONTROLS if ADDRESS in site.output_of(host, "ip -4 address")]
    site_like(site.path, site.path, network__load_balancer="haproxy")
    site.must("converge", *TAGS)
    assert [host for host in CONTROLS if ADDRESS in site.output_of(host, "ip -4 address")] == holder
    assert site.output_of(holder[0], "systemctl is-active haproxy; systemctl is-enabled nginx || true").split() == [
        "active", "disabled",
    ]  # fmt: skip
    wait_for("haproxy leads on", lambda: answers(site, f"https://{ADDRESS}:8443/") == set(CONTROLS))
