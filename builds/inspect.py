"""Looks into an exported repository, before anything is built: which addons it has, and what is wrong with them.

Files are read, never run.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from builds import platform_limits, requirements
from builds.findings import Addon, Inspection, Problem, Severity
from builds.manifests import MANIFEST, BrokenManifest, full_version, read_manifest, series_of, strings, version_of
from builds.sources import check_sources

__all__ = ["Addon", "Inspection", "Problem", "Severity", "due_modules", "inspect"]

MAX_DEPTH = 8
MAX_FOLDERS = 50_000
MAX_PROBLEMS = 100

_PASSED_OVER = {"node_modules", "__pycache__"}


def inspect(tree: Path, series: str, submodule_paths: Iterable[str] = (), wanted: Iterable[str] = ()) -> Inspection:
    """All that a build has to know of the repository in `tree`. Problems are found, not raised.

    Submodules bring many addons that nobody installs. What is wrong with one of these counts only where an addon of the
    repository itself needs it, or where it is among `wanted`.
    """
    inside = tuple(submodule_paths)
    problems: list[Problem] = []
    addons: list[Addon] = []
    broken: dict[str, BrokenManifest] = {}
    for path in _find_addons(tree, problems):
        try:
            addons.append(_read_addon(tree, path, series, inside))
        except BrokenManifest as error:
            broken[path] = error
    needed = _needed(addons, wanted)
    problems += [
        _broken(path, error, counts=os.path.basename(path) in needed or not _is_in(path, inside))
        for path, error in broken.items()
    ]
    folders = sorted({addon.folder for addon in addons})
    files, refused = requirements.with_included(tree, _requirements_files(tree, folders))
    lines = [line for file in files for line in requirements.read_lines(tree, file)]
    if not any(addon.installable for addon in addons) and not problems:
        problems.append(_no_addons())
    problems += [*refused, *requirements.check(lines), *_check_names(addons)]
    problems += _check_addons(tree, series, [addon for addon in addons if addon.installable and addon.name in needed])
    return Inspection(
        series=series,
        addons=tuple(
            replace(addon, requirements=requirements.about(lines, addon.python))
            for addon in sorted(addons, key=lambda addon: addon.path)
        ),
        requirements_files=tuple(files),
        requirements=tuple(line.text for line in lines),
        problems=tuple(sorted(problems, key=lambda found: (found.severity, found.path, found.title))[:MAX_PROBLEMS]),
    )


def _needed(addons: Iterable[Addon], wanted: Iterable[str]) -> set[str]:
    """Names of the repository's own installable addons, of wanted ones, and of all that these depend on."""
    by_name = {addon.name: addon for addon in addons if addon.installable}
    waiting = [*wanted, *(addon.name for addon in by_name.values() if not addon.in_submodule)]
    needed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += by_name[name].depends if name in by_name else ()
    return needed


def due_modules(installed: Mapping[str, str], found: Mapping[str, Any], served: Mapping[str, Any]) -> list[str]:
    """Which installed modules an update is due for, sorted.

    `installed` is name -> installed version, `found` and `served` are `Inspection.as_json()` of the new build and of
    the one that serves. Due are modules whose version in the manifest differs from the installed one (Odoo's own rule),
    and those of whose Python packages the requirements say something else now. What the new build lacks is not due.
    """
    before = {addon["name"]: addon.get("requirements") for addon in served.get("addons", ())}
    return sorted(
        addon["name"]
        for addon in found["addons"]
        if addon["installable"]
        and addon["name"] in installed
        and (
            installed[addon["name"]] != addon["full_version"]
            or before.get(addon["name"], addon["requirements"]) != addon["requirements"]
        )
    )


def _find_addons(tree: Path, problems: list[Problem]) -> Iterator[str]:
    """Folders with a manifest, relative to the tree; what is beneath one is its own affair. Links are not followed."""
    for seen, (folder, folders, files) in enumerate(os.walk(tree), start=1):
        path = os.path.relpath(folder, tree)
        depth = 0 if path == "." else path.count(os.sep) + 1
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _PASSED_OVER)
        if seen > MAX_FOLDERS:
            problems.append(_problem("The repository has too many folders", f"It has more than {MAX_FOLDERS}.", "",
                                     "Take out what Odoo does not need, then push again."))  # fmt: skip
            return
        if MANIFEST in files and path == ".":
            problems.append(_problem("The repository itself is a module", "A module needs a folder with its name.",
                                     MANIFEST, "Move its files into such a folder, then push again."))  # fmt: skip
        elif MANIFEST in files:
            yield path
            folders.clear()
        if depth >= MAX_DEPTH:
            folders.clear()


def _read_addon(tree: Path, path: str, series: str, submodule_paths: Iterable[str]) -> Addon:
    manifest_path = tree / path / MANIFEST
    if manifest_path.is_symlink():
        raise BrokenManifest("It is a symbolic link.")
    manifest = read_manifest(manifest_path)
    external = manifest.get("external_dependencies") or {}
    if not isinstance(external, dict):
        raise BrokenManifest("Its 'external_dependencies' is not a dictionary.")
    version = version_of(manifest)
    return Addon(
        name=os.path.basename(path),
        path=path,
        version=version,
        full_version=full_version(version, series),
        depends=strings(manifest, "depends"),
        installable=bool(manifest.get("installable", True)),
        application=bool(manifest.get("application", False)),
        python=strings(external, "python"),
        programs=strings(external, "bin"),
        requirements=(),
        in_submodule=_is_in(path, submodule_paths),
        has_static=(tree / path / "static").is_dir(),
        auto_install=_auto_install(manifest),
    )


def _auto_install(manifest: dict[str, Any]) -> tuple[str, ...]:
    """True means all that it depends on; a list names some of that."""
    found = manifest.get("auto_install")
    return strings(manifest, "depends" if found is True else "auto_install") if found else ()


def _requirements_files(tree: Path, folders: Iterable[str]) -> list[str]:
    """Those beside addons folders, in them, and at the top of the repository."""
    places = {"", *folders, *(os.path.dirname(folder) for folder in folders)}
    paths = sorted(os.path.join(place, requirements.FILE) for place in places)
    return [path for path in paths if requirements.is_plain_file(tree, path)]


def _check_addons(tree: Path, series: str, addons: list[Addon]) -> Iterator[Problem]:
    yield from _check_series(series, addons)
    for folder in sorted({"", *(addon.folder for addon in addons)}):
        yield from platform_limits.check_package_list(tree, folder)
    for addon in addons:
        yield from platform_limits.check_addon(addon)
    yield from check_sources(tree, addons, series)


def _check_names(addons: list[Addon]) -> Iterator[Problem]:
    places: dict[str, list[Addon]] = defaultdict(list)
    for addon in addons:
        places[addon.name].append(addon)
        if addon.installable and not re.fullmatch(r"[A-Za-z_]\w*", addon.name, re.ASCII):
            yield _problem(
                f"{addon.name[:80]!r} is no name for a module",
                "Odoo imports a module by its folder's name, so only letters, digits and _ can stand in it.",
                addon.path,
                "Rename the folder, then push again.",
            )
    for name, same in places.items():
        if len(same) > 1 and any(addon.installable for addon in same):
            yield _problem(
                f"The module {name} is there more than once",
                f"Found in {', '.join(addon.path for addon in same)}; Odoo would take one of them.",
                same[0].path,
                "Remove all but one, then push again.",
            )


def _check_series(series: str, addons: list[Addon]) -> Iterator[Problem]:
    """By the manifests' versions; those that name no series fit every one."""
    named = Counter(found for addon in addons if (found := series_of(addon.version)))
    others = [name for name in named if name != series]
    if not others:
        return
    example = next(addon for addon in addons if series_of(addon.version) == others[0])
    counts = ", ".join(f"{count} for {name}" for name, count in sorted(named.items()))
    title = "The modules are for several series of Odoo" if len(named) > 1 else f"The modules are for Odoo {others[0]}"
    yield _problem(
        title,
        f"This project runs Odoo {series}, and by their versions there are modules {counts}, such as {example.name}.",
        f"{example.path}/{MANIFEST}",
        f"Push a branch for {series}, or set 'installable': False in those that are not ported yet.",
    )


def _is_in(path: str, submodule_paths: Iterable[str]) -> bool:
    return any(path == submodule or path.startswith(f"{submodule}/") for submodule in submodule_paths)


def _no_addons() -> Problem:
    return _problem(
        "There are no addons in this repository",
        f"No folder with a {MANIFEST} of an installable module was found.",
        "",
        "Add at least one Odoo module, then push again.",
    )


def _broken(path: str, error: BrokenManifest, *, counts: bool) -> Problem:
    where = f"{path}/{MANIFEST}" + (f":{error.line}" if error.line else "")
    found = _problem("A manifest can't be read", str(error), where, "Correct it, then push again.")
    return found if counts else replace(found, severity=Severity.WARNING)


def _problem(title: str, detail: str, path: str, what_to_do: str) -> Problem:
    return Problem(Severity.ERROR, title, detail, path, what_to_do)
