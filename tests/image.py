"""
Builds our image without a container engine, and runs it: as root, in a mount namespace of its own.

    unshare --mount --mount-proc --pid --fork --kill-child python -m tests.image FOLDER

Each stage is a folder that is empty at first. The base image is this machine's /usr and /etc, with this
Python at /usr/local; the steps of the Dockerfile are run in it as they stand. Then the last stage becomes
read-only but for its volumes and /tmp, and what it says is started as the user it names, in a network of
its own. The outcome is printed as JSON: what /readyz answered, and how the health check ended. What an engine
does besides (layers, seccomp, cgroups) is not here.
"""

import ctypes
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.dockerfile import Stage, Step, read_dockerfile, sources
from tests.island import raise_network

ROOT: Final = Path(__file__).parents[1]
LINKS: Final = ("bin", "lib", "lib64", "sbin")
FOLDERS: Final = ("cache", "dev", "etc", "proc", "root", "run", "tmp", "usr", "var")
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OUTSIDE: Final = ("HTTP", "NO_PROXY", "PIP_", "SSL_", "UV_")  # how this machine reaches a registry
VERSION: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
NEW_NETWORK: Final = 0x4000_0000  # CLONE_NEWNET
DEADLINE_SECONDS: Final = 60
MAKE_A_KEY: Final = ("keys", "create", "test", "--scope", "read")


class Image:
    """The stages of a Dockerfile, each in a folder of its own under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.stages = read_dockerfile(ROOT / "Dockerfile")
        self._folder = folder

    @property
    def last(self) -> Stage:
        """What containers are made of."""
        return self.stages[-1]

    def build(self) -> None:
        """Do every step of every stage."""
        for stage in self.stages:
            make_base(self.root(stage.name))
            cwd = "/"
            for step in stage.steps:
                cwd = step.text if step.instruction == "WORKDIR" else cwd
                self._do(stage, step, cwd)

    def root(self, stage: str) -> Path:
        """Where the files of a stage are."""
        return self._folder / stage

    def command(self, words: Sequence[str], user: str = "0:0", cwd: str = "/") -> list[str]:
        """What runs a command inside the last stage."""
        return _chrooted(self.root(self.last.name), words, user, cwd)

    def _do(self, stage: Stage, step: Step, cwd: str) -> None:
        root = self.root(stage.name)
        match step.instruction:
            case "WORKDIR":
                (root / cwd.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "RUN":
                run(*_chrooted(root, ["/bin/sh", "-c", step.text], "0:0", cwd), environment=building())
            case "COPY":
                self._copy(root, step, cwd)

    def _copy(self, root: Path, step: Step, cwd: str) -> None:
        stage, paths, target = sources(step)
        to = root / Path(cwd, target).relative_to("/")
        for path in paths:
            origin = self.root(stage) / path.lstrip("/") if stage else ROOT / path
            into = to / origin.name if target.endswith("/") else to
            into.parent.mkdir(parents=True, exist_ok=True)
            run("/bin/cp", "-a", "--no-preserve=ownership", f"{origin}", f"{into}")


def make_base(root: Path) -> None:
    """Make what stands in for the base image."""
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    for name in LINKS:
        (root / name).symlink_to(f"usr/{name}")
    run("mount", "--bind", f"{root}", f"{root}")
    for name in ("usr", "dev", "proc"):
        run("mount", "--rbind", f"/{name}", f"{root / name}")
    run("mount", "--bind", os.environ["UV_CACHE_DIR"], f"{root / 'cache'}")
    run("mount", "-o", "remount,bind,ro", f"{root / 'usr'}")
    run("/bin/cp", "-a", "/etc/.", f"{root / 'etc'}")
    (root / "tmp").chmod(0o1777)
    mount_python(root)


def mount_python(root: Path) -> None:
    """Let this Python be at /usr/local, under a layer for what is installed there.

    The machine's own is no whole thing that could be put elsewhere; it gets an environment there.
    """
    layer = root.parent / f"{root.name}-local"
    lower, upper, work = (layer / name for name in ("lower", "upper", "work"))
    for folder in (lower, upper, work):
        folder.mkdir(parents=True)
    is_of_machine = sys.base_prefix == "/usr"
    options = f"lowerdir={lower if is_of_machine else sys.base_prefix},upperdir={upper},workdir={work}"
    run("mount", "-t", "overlay", "overlay", "-o", options, f"{root / 'usr/local'}")
    if is_of_machine:
        run(*_chrooted(root, [f"/usr/bin/{VERSION}", "-m", "venv", "/usr/local"], "0:0", "/"))
    else:
        run(*_chrooted(root, ["/sbin/ldconfig"], "0:0", "/"))  # this Python's own library moves with it


def _chrooted(root: Path, words: Sequence[str], user: str, cwd: str) -> list[str]:
    shell = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', cwd, *words]
    return ["/usr/sbin/chroot", f"--userspec={user}", "--groups=", f"{root}", *shell]


def building() -> dict[str, str]:
    """What a build step is told; whom the machine trusts, uv shall trust."""
    told = {name: value for name, value in os.environ.items() if name.upper().startswith(OUTSIDE)}
    return {**told, "PATH": PATH, "UV_CACHE_DIR": "/cache", "UV_SYSTEM_CERTS": "1"}


def run(*command: str, environment: dict[str, str] | None = None) -> None:
    """Run something that must succeed; its words go to our errors."""
    subprocess.run(command, check=True, stdout=sys.stderr, env=environment)  # noqa: S603 - the Dockerfile's words


def close(image: Image, folder: Path) -> None:
    """Make the last stage read-only, but for its volumes and /tmp."""
    root = image.root(image.last.name)
    for volume in (*image.last.says("VOLUME"), "/tmp"):  # noqa: S108 - the one inside
        kept = folder / f"volume{volume.replace('/', '-')}"
        shutil.copytree(root / volume.lstrip("/"), kept)
        facts = (root / volume.lstrip("/")).stat()
        os.chown(kept, facts.st_uid, facts.st_gid)
        kept.chmod(facts.st_mode)
        run("mount", "--bind", f"{kept}", f"{root / volume.lstrip('/')}")
    run("mount", "-o", "remount,ro", f"{root / 'usr/local'}")
    run("mount", "-o", "remount,bind,ro", f"{root}")


def try_out(image: Image) -> dict[str, object]:
    """Start what the image says, wait until it is ready, and ask the health check."""
    last = image.last
    (user,), (cwd,), entry = last.says("USER"), last.says("WORKDIR"), last.says("ENTRYPOINT")
    environment = last.environment
    run(*image.command([*entry, *MAKE_A_KEY], user, cwd), environment=environment)
    started = subprocess.Popen(  # noqa: S603 - the Dockerfile's words
        image.command([*entry, *last.says("CMD")], user, cwd), env=environment, stdout=sys.stderr
    )
    try:
        answer = wait_until_ready(last.says("EXPOSE")[0], started)
        check = subprocess.run(image.command(last.health_check, user, cwd), env=environment, check=False)  # noqa: S603 - likewise
        touch = image.command(["/usr/bin/touch", "/anywhere"], user, cwd)
        wrote = subprocess.run(touch, check=False).returncode == 0  # noqa: S603 - ours
    finally:
        started.terminate()
        ended = started.wait(DEADLINE_SECONDS)
    return {"ready": answer, "check": check.returncode, "wrote": wrote, "ended": ended}


def wait_until_ready(port: str, process: "subprocess.Popen[bytes]") -> object:
    """Return what /readyz says once it says that all is well."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"not ready; ended with {process.poll()}")


def main(folder: Path) -> None:
    """Build, run, report."""
    os.chdir("/")
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", f"{folder}")  # quick, and gone with us
    image = Image(folder)
    image.build()
    close(image, folder)
    ctypes.CDLL(None).unshare(NEW_NETWORK)
    raise_network()
    print(json.dumps(try_out(image)))  # noqa: T201 - the answer


if __name__ == "__main__":
    main(Path(sys.argv[1]))
