"""Roles containerd and images: the runtime runs, and every image that the host needs is there already."""

from __future__ import annotations

SOCKET = "/run/containerd/containerd.sock"


def test_it_runs_and_starts_with_the_host(host):
    service = host.service("containerd")
    assert service.is_running
    assert service.is_enabled


def test_its_socket_is_for_root_only(host):
    assert host.socket(f"unix://{SOCKET}").is_listening
    assert host.file(SOCKET).user == "root"
    assert host.file(SOCKET).mode & 0o007 == 0


def test_its_configuration_cannot_be_written_by_others(host):
    configuration = host.file("/etc/containerd/config.toml")
    assert configuration.is_file
    assert configuration.user == "root"
    assert configuration.mode & 0o022 == 0


def test_the_pause_image_is_the_one_that_is_there(host):
    line = host.run('grep -o \'sandbox_image = "[^"]*"\' /etc/containerd/config.toml').stdout.strip()
    image = line.split('"')[1]
    assert image in images(host)


def test_every_running_container_uses_an_image_of_a_full_name(host):
    assert all("/" in image and ":" in image for image in images(host) if not image.startswith("sha256:"))


def test_network_plugins_are_installed(host):
    for name in ("bridge", "host-local", "loopback", "portmap"):
        assert host.file(f"/usr/lib/cni/{name}").exists


def images(host) -> list[str]:
    return host.check_output("ctr --namespace k8s.io images list --quiet").splitlines()
