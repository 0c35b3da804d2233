"""The embedded Python language host: starts the program that the engine names, and says which plugins it needs.

The program is started by the script `pulumi-language-python-exec` of Pulumi's own Go module, read from the module cache
(or from PATH); its version is that of the installed `pulumi` package.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from portolan import paths
from portolan.embedded import NAME, plugin
from portolan.errors import PortolanError

# The exec script's way to say that it has told the user what went wrong (same constant in the script itself).
BAIL_EXIT_CODE = 32
EXEC_SCRIPT = "pulumi-language-python-exec"


def module_cache_roots(environment: Mapping[str, str]) -> list[Path]:
    """Return the Go module caches to look in, best first: Portolan's own, GOMODCACHE, Go's default."""
    roots = [paths.cache() / "go" / "mod"]
    if environment.get("GOMODCACHE"):
        roots.append(Path(environment["GOMODCACHE"]))
    roots.append(Path(environment.get("GOPATH") or Path.home() / "go") / "pkg" / "mod")
    return roots


def find_exec_script(version: str, environment: Mapping[str, str]) -> Path:
    """Return the exec script of Pulumi `version`: from PATH, else from the Go module cache.

    Raises PortolanError with the command that fetches the module.
    """
    on_path = shutil.which(EXEC_SCRIPT, path=environment.get("PATH"))
    if on_path:
        return Path(on_path)
    roots = module_cache_roots(environment)
    inner = Path("github.com/pulumi/pulumi/sdk") / f"v3@v{version}" / "python" / "cmd" / EXEC_SCRIPT
    for root in roots:
        if (root / inner).is_file():
            return root / inner
    raise PortolanError(
        str(roots[0] / inner),
        f"the exec script of Pulumi {version} is not there",
        f"GOMODCACHE={roots[0]} go mod download github.com/pulumi/pulumi/sdk/v3@v{version}",
    )


def interpreter(root: Path, options: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """Return the Python that runs the program: the project's `virtualenv` option, else the one that runs this host."""
    chosen = options.get("virtualenv")
    if chosen:
        python = (root / str(chosen)).absolute() / "bin" / "python"
        if not python.exists():
            raise PortolanError(
                f"{root}/Pulumi.yaml: runtime.options.virtualenv",
                f"there is no {python}",
                "make the virtual environment, or take the option out",
            )
        return str(python)
    return environment.get("PULUMI_PYTHON_CMD") or sys.executable


def exec_arguments(request: language_pb2.RunRequest, engine: str) -> list[str]:
    """Return the exec script's arguments for one Run request."""
    pairs = {
        "monitor": request.monitor_address,
        "engine": engine,
        "project": request.project,
        "root_directory": request.info.root_directory,
        "stack": request.stack,
        "pwd": request.pwd,
        "dry_run": "true" if request.dryRun else "",
        "parallel": str(request.parallel),
        "organization": request.organization,
    }
    arguments = [word for name, value in pairs.items() if value for word in (f"--{name}", value)]
    entry = request.info.entry_point or request.program or "."
    program = Path(request.info.program_directory or request.pwd) / entry
    return [*arguments, str(program), *request.args]


def exec_environment(request: language_pb2.RunRequest, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the program's environment: the host's own, the configuration and its secret keys."""
    return {
        **environment,
        "PULUMI_CONFIG": json.dumps(dict(request.config)),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        "PYTHONUNBUFFERED": "1",
    }


def required_plugins(distributions: Sequence[metadata.Distribution]) -> Iterator[plugin_pb2.PackageDependency]:
    """Yield the provider plugins that the installed packages name in their `pulumi-plugin.json`."""
    for distribution in distributions:
        for file in distribution.files or []:
            if file.name != "pulumi-plugin.json":
                continue
            described = json.loads(Path(str(file.locate())).read_text())
            if described.get("resource"):
                yield plugin_pb2.PackageDependency(
                    kind="resource",
                    name=described.get("name") or distribution.name.removeprefix("pulumi-"),
                    version=described.get("version") or distribution.version,
                    server=described.get("server", ""),
                )


def pulumi_distributions() -> list[metadata.Distribution]:
    """Return the installed packages that may name a plugin (by Pulumi's convention their names start so)."""
    return [found for found in metadata.distributions() if (found.name or "").lower().startswith("pulumi")]


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """The language runtime service of Pulumi's protocol, for Python programs."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Take the engine's address where it comes by handshake."""
        self._engine = request.engine_address or self._engine
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Say what this is: Pulumi's version that it goes with, and that it is the embedded one."""
        return plugin_pb2.PluginInfo(version=f"{metadata.version('pulumi')}+portolan.embedded")

    def About(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Describe the Python that runs programs, for `pulumi about`."""
        return language_pb2.AboutResponse(
            executable=sys.executable, version=sys.version.split()[0], metadata={"language host": NAME}
        )

    def GetRequiredPackages(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """List the plugins of the installed provider packages."""
        return language_pb2.GetRequiredPackagesResponse(packages=required_plugins(pulumi_distributions()))

    def GetRequiredPlugins(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answer the older form of the same question."""
        return language_pb2.GetRequiredPluginsResponse(
            plugins=[
                plugin_pb2.PluginDependency(name=one.name, kind=one.kind, version=one.version)
                for one in required_plugins(pulumi_distributions())
            ]
        )

    def GetProgramDependencies(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """List the installed packages, for `pulumi about`."""
        found = pulumi_distributions() if not request.transitiveDependencies else list(metadata.distributions())
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[language_pb2.DependencyInfo(name=one.name, version=one.version) for one in found]
        )

    def InstallDependencies(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: N802
        """Install nothing: Portolan's own virtual environment holds what its programs need."""
        message = f"{NAME} language host: the program runs in {sys.executable}; nothing is installed\n"
        yield language_pb2.InstallDependenciesResponse(stderr=message.encode())

    def RuntimeOptionsPrompts(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Ask nothing."""
        return language_pb2.RuntimeOptionsResponse()

    def Run(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Run the program to its end."""
        options = json_format.MessageToDict(request.info.options)
        try:
            python = interpreter(Path(request.info.root_directory or request.pwd), options, os.environ)
            script = find_exec_script(metadata.version("pulumi"), os.environ)
        except PortolanError as error:
            return language_pb2.RunResponse(error=str(error))
        command = [python, "-u", str(script), *exec_arguments(request, self._engine)]
        # Standard output and error are inherited: the engine reads this host's and shows each line to the people.
        process = subprocess.Popen(
            command, env=exec_environment(request, os.environ), cwd=request.pwd or None, stdin=subprocess.DEVNULL
        )
        with self._lock:
            self._running.add(process)
        context.add_callback(lambda: self._end(process))
        code = process.wait()
        with self._lock:
            self._running.discard(process)
        if code == BAIL_EXIT_CODE:
            return language_pb2.RunResponse(bail=True)
        if code != 0:
            return language_pb2.RunResponse(error=f"Program exited with non-zero exit code: {code}")
        return language_pb2.RunResponse()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """End the running programs at once."""
        from google.protobuf import empty_pb2

        with self._lock:
            for process in self._running:
                self._end(process)
        return empty_pb2.Empty()

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)


def main() -> None:
    """Serve the language host to the engine whose address is the last argument."""
    host = LanguageHost(plugin.engine_address())
    plugin.serve(lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server))
