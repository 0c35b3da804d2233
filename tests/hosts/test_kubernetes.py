"""Roles kubernetes, control_plane, worker and cni: what runs where, and which files are closed to whom."""

from __future__ import annotations

import json

import pytest

from portolan.conformity.judge import version

MANIFESTS = "/etc/kubernetes/manifests"
# Prints the status of an answer to a request that shows no certificate.
ANONYMOUS = """
import ssl, sys, urllib.error, urllib.request
context = ssl._create_unverified_context()
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=5, context=context).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""
COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")


def test_kubelet_runs_and_starts_with_the_host(host):
    service = host.service("kubelet")
    assert service.is_running
    assert service.is_enabled


@pytest.mark.parametrize("binary", ["kubelet", "kubeadm", "kubectl"])
def test_binaries_are_of_a_supported_version_and_roots(host, binary):
    path = host.check_output("command -v %s", binary)
    flags = {"kubelet": "--version", "kubeadm": "version -o short", "kubectl": "version --client -o json"}[binary]
    text = host.check_output(f"{binary} {flags}")
    found = json.loads(text)["clientVersion"]["gitVersion"] if binary == "kubectl" else text.split()[-1]
    assert version(found) >= (1, 35)
    assert host.file(path).user == "root"
    assert host.file(path).mode & 0o022 == 0


@pytest.mark.parametrize(
    ("path", "open_bits"),
    [
        ("/etc/kubernetes/kubelet.conf", 0o077),
        ("/var/lib/kubelet/config.yaml", 0o022),
        ("/var/lib/kubelet/pki/kubelet-client-current.pem", 0o077),
        ("/etc/kubernetes/pki/ca.crt", 0o022),
    ],
)
def test_kubelets_files_are_closed(host, path, open_bits):
    file = host.file(host.check_output("readlink -f %s", path))
    assert file.is_file
    assert file.user == "root"
    assert file.mode & open_bits == 0


def test_kubelet_takes_no_anonymous_request(host, node, sandbox):
    address = sandbox.addresses[node.name].address
    assert host.check_output("python3 -c %s https://%s:10250/pods", ANONYMOUS, address) == "401"


def test_the_read_only_port_is_shut(host):
    assert not host.socket("tcp://0.0.0.0:10255").is_listening
    assert not host.socket("tcp://127.0.0.1:10255").is_listening


def test_the_network_plugin_is_configured(host):
    (name, *_) = host.check_output("ls /etc/cni/net.d").split()
    assert host.file(f"/etc/cni/net.d/{name}").mode & 0o022 == 0


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_control_plane_runs_as_static_pods_that_only_root_may_change(control_plane, component):
    manifest = control_plane.file(f"{MANIFESTS}/{component}.yaml")
    assert manifest.user == "root"
    assert manifest.mode & 0o077 == 0


@pytest.mark.parametrize("path", ["ca.key", "sa.key", "apiserver.key", "etcd/ca.key", "front-proxy-ca.key"])
def test_private_keys_are_for_root_only(control_plane, path):
    key = control_plane.file(f"/etc/kubernetes/pki/{path}")
    assert key.is_file
    assert key.user == "root"
    assert key.mode & 0o177 == 0


def test_administrators_credentials_are_for_root_only(control_plane):
    assert control_plane.file("/etc/kubernetes/admin.conf").mode & 0o177 == 0


def test_secrets_are_encrypted_by_a_key_that_only_root_may_read(control_plane):
    arguments = api_server_arguments(control_plane)
    configuration = control_plane.file(arguments["encryption-provider-config"])
    assert configuration.user == "root"
    assert configuration.mode & 0o077 == 0


def test_the_api_server_audits_and_bounds_its_log(control_plane):
    arguments = api_server_arguments(control_plane)
    assert control_plane.file(arguments["audit-policy-file"]).is_file
    assert int(arguments["audit-log-maxage"]) > 0
    assert int(arguments["audit-log-maxsize"]) > 0
    assert control_plane.file(arguments["audit-log-path"]).mode & 0o077 == 0


def test_etcds_data_is_closed(control_plane):
    assert control_plane.file("/var/lib/etcd").mode & 0o077 == 0


def test_etcd_asks_its_clients_for_a_certificate(control_plane):
    manifest = control_plane.file(f"{MANIFESTS}/etcd.yaml").content_string
    assert "--client-cert-auth=true" in manifest
    assert "--peer-client-cert-auth=true" in manifest


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_worker_runs_nothing_of_the_control_plane(worker, component):
    assert not worker.file(f"{MANIFESTS}/{component}.yaml").exists


@pytest.mark.parametrize("path", ["/etc/kubernetes/admin.conf", "/etc/kubernetes/pki/ca.key"])
def test_a_worker_holds_no_key_of_the_cluster(worker, path):
    assert not worker.file(path).exists


def test_a_worker_keeps_no_bootstrap_token(worker):
    assert not worker.file("/etc/kubernetes/bootstrap-kubelet.conf").exists


def api_server_arguments(host) -> dict[str, str]:
    text = host.file(f"{MANIFESTS}/kube-apiserver.yaml").content_string
    lines = [line.strip().removeprefix("- --") for line in text.splitlines() if line.strip().startswith("- --")]
    return dict(line.split("=", 1) for line in lines if "=" in line)
