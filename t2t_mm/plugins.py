"""Other people's problems, modalities, models and hparam sets: packages that register them when they are imported.

A plugin is an installed package with an entry point in the group `t2t_mm.plugins` that names the module to import, or a
package folder given by `--t2t_usr_dir`, as in Tensor2Tensor. One that is missing or fails to import stops the command:
what it would have registered would only be missed later, under a name that explains less.
"""

import importlib.metadata
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from t2t_mm.errors import UserError

GROUP = "t2t_mm.plugins"

_FOLDERS: dict[str, Path] = {}  # loaded in this process, by name


@dataclass(frozen=True)
class Plugin:
    """What a run directory keeps of a plugin, so that later commands load the same one."""

    name: str  # of the folder, or of the entry point
    origin: str  # the folder's absolute path, or the distribution that has the entry point
    package: str  # the Python package that it brings

    @property
    def is_folder(self) -> bool:
        """Whether it came by `--t2t_usr_dir`."""
        return Path(self.origin).is_absolute()


def load(usr_dirs: Sequence[str | Path] = (), recorded: Sequence[Plugin] = ()) -> list[Plugin]:
    """Import every installed plugin, the folders `usr_dirs`, and the plugins that a run recorded.

    A folder that is in `usr_dirs`, or loaded already, stands in for a recorded folder of the same name; so a run finds
    a plugin that has moved.

    Returns:
        The plugins, installed ones first, folders in the order given.

    Raises:
        UserError: one is missing, or its import failed; names it, the reason and the place.
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
    """Those of `loaded` that a run should record: the folders that were asked for, and the installed packages in which
    something of `addresses` ("module:object", as registries give them) is defined."""
    packages = {address.partition(":")[0].partition(".")[0] for address in addresses}
    return tuple(plugin for plugin in loaded if plugin.is_folder or plugin.package in packages)


def _recorded_folder(plugin: Plugin) -> Path:
    if not Path(plugin.origin).is_dir():
        raise UserError(
            f"The run uses the plugin folder {plugin.origin}, which is no longer there. "
            f"Pass --t2t_usr_dir=<where {plugin.name} is now>."
        )
    return Path(plugin.origin)


def _load_entry_point(entry: importlib.metadata.EntryPoint) -> Plugin:
    distribution = entry.dist.name if entry.dist else "unknown"
    try:
        entry.load()
    except (Exception, SystemExit) as error:
        package = importlib.util.find_spec(entry.module.partition(".")[0])
        homes = list(package.submodule_search_locations or ()) if package else []
        raise UserError(
            f"The plugin {entry.name!r} ({entry.value}) of the package {distribution!r} failed to import: "
            f"{_reason(error, homes)}. Mend or uninstall {distribution}."
        ) from error
    return Plugin(entry.name, distribution, entry.module.partition(".")[0])


def _load_folder(folder: Path) -> Plugin:
    start = folder / "__init__.py"
    if not folder.is_dir():
        raise UserError(f"--t2t_usr_dir={folder}: there is no such folder.")
    if not start.is_file():
        raise UserError(f"--t2t_usr_dir={folder} is no package: it holds no __init__.py, which imports what registers.")
    name = folder.name
    if "." in name:
        raise UserError(
            f"--t2t_usr_dir={folder}: the folder is imported by its name, which may hold no dot. Rename it."
        )
    if name in sys.modules:
        owner = getattr(sys.modules[name], "__file__", None)
        if owner is None or Path(owner).resolve() != start:
            raise UserError(
                f"--t2t_usr_dir={folder}: the module {name!r} is loaded already from {owner or 'Python itself'}. "
                f"Give the folder a name of its own."
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
        raise UserError(f"--t2t_usr_dir={folder} failed to import: {_reason(error, [str(folder)])}.") from error
    _FOLDERS[name] = folder
    return Plugin(name, str(folder), name)


def _reason(error: BaseException, homes: Sequence[str]) -> str:
    """Type and message of `error`, and the innermost line below `homes` that led to it."""
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({error.filename}:{error.lineno})"
    message = f"{type(error).__name__}: {error}".rstrip(".")
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if any(Path(frame.filename).is_relative_to(home) for home in homes)]
    return f"{message} ({own[-1].filename}:{own[-1].lineno})" if own else message
