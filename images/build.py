"""Make the images that stand in for Odoo where no image registry can be reached: `python -m images.build [--force]`.

Two images, both named by the content of the folder that they are made from, so that they are built once and shared by
all installations on a machine:

- `berth-base:<hash>`: Debian bookworm by mmdebstrap, from the machine's own Debian mirror, without setuid programs;
- `berth-mockodoo:<series>-<hash>`: our stand-in on top of it, which behaves as docs/odoo-image.md says.
"""

import argparse
import hashlib
import tempfile
from pathlib import Path

from portal.commands import CommandError, Output, run

HERE = Path(__file__).parent
SERIES = ("16.0", "17.0", "18.0", "19.0")
STAND_IN = "berth-mockodoo"
STAND_IN_LABEL = "berth.stand-in=1"
BASE = "berth-base"
SUITE = "bookworm"
"""Seconds that the engine gets to answer a question, and that making an image may take."""
ASK, MAKE = 60.0, 1200.0


class ImageError(Exception):
    """An image could not be made. Images that were there before are as they were."""


def show(text: str) -> None:
    """The usual `Output`: as it comes, to the terminal."""
    print(text, end="", flush=True)


def ensure_stand_in(tag: str, output: Output = show, *, force: bool = False) -> str:
    """Return the id of the stand-in for Odoo `tag` (`18.0`, or a name that ends so: `odoo:18.0`), making it if needed.

    Takes a fraction of a second when the image is there, about a minute and a half when nothing is. Raises ImageError.
    """
    series = tag.rpartition(":")[2]
    if series not in SERIES:
        raise ImageError(f"There is no stand-in for Odoo {series!r}; choose one of {', '.join(SERIES)}.")
    base = f"{BASE}:{content_hash(HERE / 'base')}"
    name = f"{STAND_IN}:{series}-{content_hash(HERE / 'mockodoo', seed=base)}"
    found = image_id(name)
    if found and not force:
        return found
    if force or not image_id(base):
        _make_base(base, output)
    output(f"Building {name}\n")
    _step(_build_argv(name, series, base), output)
    return image_id(name)


def content_hash(folder: Path, seed: str = "") -> str:
    """12 hex characters that change with any file of `folder` (path, content, executable bit) or with `seed`.

    Hidden files and Python's caches do not count: tools put them there as they go.
    """
    digest = hashlib.sha256(seed.encode())
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in name.parts):
            executable = bool(path.stat().st_mode & 0o100)
            digest.update(f"\0{name}\0{executable}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def image_id(name: str) -> str:
    """The id of a local image, `sha256:...`, or an empty string. No registry is asked. Raises ImageError."""
    try:
        return run(["docker", "image", "inspect", "--format", "{{.Id}}", name], timeout=ASK).output.strip()
    except CommandError as error:
        if "No such image" in error.output:
            return ""
        raise ImageError(f"Docker Engine could not be asked for the image {name}: {error}") from error


def _make_base(name: str, output: Output) -> None:
    output(f"Building {name} with mmdebstrap\n")
    with tempfile.TemporaryDirectory(prefix="berth-base-", dir="/var/tmp") as folder:
        tree = Path(folder) / "tree.tar"
        _step(_mmdebstrap_argv(tree), output)
        _step(["docker", "import", *_import_changes(), str(tree), name], output)


def _mmdebstrap_argv(tree: Path) -> list[str]:
    """The mirror is left to mmdebstrap, which takes the machine's own for this suite, or else Debian's."""
    packages = ",".join((HERE / "base" / "packages.txt").read_text().split())
    unneeded = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/i18n/*")
    return [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={packages}",
        *(f"--dpkgopt=path-exclude={path}" for path in unneeded),
        "--aptopt=Acquire::Languages none",
        f"--customize-hook={HERE / 'base' / 'customise.sh'}",
        SUITE,
        str(tree),
    ]


def _import_changes() -> list[str]:
    environment = ("LANG=C.UTF-8", "PIP_BREAK_SYSTEM_PACKAGES=1", "PYTHONDONTWRITEBYTECODE=1")
    changes = [*(f"ENV {setting}" for setting in environment), f"LABEL {STAND_IN_LABEL}", 'CMD ["python3"]']
    return [word for change in changes for word in ("--change", change)]


def _build_argv(name: str, series: str, base: str) -> list[str]:
    return [
        *("docker", "build", "--tag", name, "--rm", "--force-rm"),
        *("--build-arg", f"BASE={base}", "--build-arg", f"ODOO_SERIES={series}"),
        *("--label", STAND_IN_LABEL, str(HERE / "mockodoo")),
    ]


def _step(argv: list[str], output: Output) -> None:
    try:
        run(argv, timeout=MAKE, output=output)
    except CommandError as error:
        raise ImageError(f"The stand-in image could not be made, nothing was changed: {error}") from error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--force", action="store_true", help="build even what is there already")
    parser.add_argument("--series", choices=SERIES, default="18.0")
    arguments = parser.parse_args()
    print(ensure_stand_in(arguments.series, force=arguments.force))


if __name__ == "__main__":
    main()
