"""Plugins: packages of other people that register problems, modalities, models and hparam sets when they are imported.

A plugin is an installed package with an entry point in the group `t2t_mm.plugins` that names the module to import, or a
package folder that `--t2t_usr_dir` names, as in Tensor2Tensor. A plugin that is missing or fails to import stops the
command. Otherwise an error would come later, about a name that is not registered, and would explain less.
"""

import importlib.metadata
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from t2t_mm.errors import UserError
from t2t_mm.moved_modules import explain, python_files

GROUP = "t2t_mm.plugins"

_FOLDERS: dict[str, Path] = {}  # folders that were loaded in this process, by name


@dataclass(frozen=True)
class Plugin:
    """The record of a plugin in a run directory, by which later commands load the same one."""

    name: str  # of the folder, or of the entry point
    origin: str  # the folder's absolute path, or the name of the distribution that has the entry point
    package: str  # the Python package that the plugin consists of

    @property
    def is_folder(self) -> bool:
        """True for a folder of `--t2t_usr_dir`, False for an installed package."""
        return Path(self.origin).is_absolute()


def load(usr_dirs: Sequence[str | Path] = (), recorded: Sequence[Plugin] = ()) -> list[Plugin]:
    """Import every installed plugin, the folders `usr_dirs`, and the plugins that a run recorded.

    A folder in `usr_dirs`, or one that is loaded already, replaces a recorded folder of the same name. So a run can use
    a plugin folder that has been moved.

    Returns:
        The plugins: installed ones first, then folders in the order of `usr_dirs`.

    Raises:
        UserError: a plugin is missing, or its import failed. The message names the plugin, the reason and the line.
    """
    plugins = [_load_entry_point(entry) for entry in importlib.metadata.entry_points(group=GROUP)]
    folders = [Path(usr_dir).expanduser().resolve() for usr_dir in usr_dirs]
    for plugin in recorded:
        if plugin.is_folder:
            if plugin.name not in [folder.name for folder in folders]:
                folders.append(_FOLDERS.get(plugin.name) or _recorded_folder(plugin))
        elif plugin not in plugins:
            raise UserError(
                f"The run uses the plugin {plugin.name!r} of the package {plugin.origin!r}, which is not installed. "
                f"Install it with pip."
            )
    return plugins + [_load_folder(folder) for folder in dict.fromkeys(folders)]


def used(loaded: Iterable[Plugin], addresses: Iterable[str]) -> tuple[Plugin, ...]:
    """Return those of `loaded` that a run should record: every folder, and each installed package that defines one of
    `addresses` ("module:object", as registries return them)."""
    packages = {address.partition(":")[0].partition(".")[0] for address in addresses}
    return tuple(plugin for plugin in loaded if plugin.is_folder or plugin.package in packages)


def _recorded_folder(plugin: Plugin) -> Path:
    if not Path(plugin.origin).is_dir():
        raise UserError(
            f"The run uses the plugin folder {plugin.origin}, which is no longer there. "
            f"Pass --t2t_usr_dir=<the folder where {plugin.name} is now>."
        )
    return Path(plugin.origin)


def _load_entry_point(entry: importlib.metadata.EntryPoint) -> Plugin:
    distribution = entry.dist.name if entry.dist else "unknown"
    try:
        entry.load()
    except (Exception, SystemExit) as error:
        files = python_files(entry.module.partition(".")[0])
        raise UserError(
            f"The plugin {entry.name!r} ({entry.value}) of the package {distribution!r} failed to import: "
            f"{_reason(error, files)}. Fix or uninstall {distribution}."
        ) from error
    return Plugin(entry.name, distribution, entry.module.partition(".")[0])


def _load_folder(folder: Path) -> Plugin:
    start = folder / "__init__.py"
    if not folder.is_dir():
        raise UserError(f"--t2t_usr_dir={folder}: there is no such folder.")
    if not start.is_file():
        raise UserError(
            f"--t2t_usr_dir={folder} is no package: it has no __init__.py. Add one that imports what registers."
        )
    name = folder.name
    if "." in name:
        raise UserError(
            f"--t2t_usr_dir={folder}: the folder is imported by its name, which must not contain a dot. Rename it."
        )
    if name in sys.modules:
        owner = getattr(sys.modules[name], "__file__", None)
        if owner is None or Path(owner).resolve() != start:
            raise UserError(
                f"--t2t_usr_dir={folder}: a module {name!r} is loaded already from {owner or 'Python itself'}. "
                f"Rename the folder."
            )
        return Plugin(name, str(folder), name)
    spec = importlib.util.spec_from_file_location(name, start, submodule_search_locations=[str(folder)])
    if spec is None or spec.loader is None:
        raise UserError(f"--t2t_usr_dir={folder}: Python cannot load {start}.")
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        for loaded in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
            del sys.modules[loaded]
        reason = _reason(error, sorted(folder.rglob("*.py")))
        raise UserError(f"--t2t_usr_dir={folder} failed to import: {reason}.") from error
    _FOLDERS[name] = folder
    return Plugin(name, str(folder), name)


def _reason(error: BaseException, files: Sequence[Path]) -> str:
    """Return why the plugin with these Python files failed to import: the old names that it uses, or the error's type
    and message with the innermost line of the plugin that led to it."""
    if sentence := explain(error, files):
        return sentence
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({error.filename}:{error.lineno})"
    message = f"{type(error).__name__}: {error}".rstrip(".")
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) in files]
    return f"{message} ({own[-1].filename}:{own[-1].lineno})" if own else message
