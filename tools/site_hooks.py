"""Hooks of mkdocs: what the documentation takes from the code instead of repeating it.

- ``<!-- quote: pellucid.api.train -->`` becomes the source of that function; one longer than 40 lines ends the build.
- ``<!-- settings: pellucid.runs.experiment.Experiment -->`` becomes a table of its fields.
- ``reference/`` has a page for each namespace, made from the docstrings of every public name.
- A folder in the navigation (``lessons/``) stands for its pages in the order of its index.
- A link to a file outside ``docs/`` leads to the repository; formulas become MathML, which needs no script.
"""

import importlib
import inspect
import posixpath
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from quoting import QUOTE, quoted

ROOT = Path(__file__).parents[1]
SETTINGS = re.compile(r"^<!-- settings: ([\w.]+) -->$", re.MULTILINE)
LINK = re.compile(r"(\]\(\s*)((?:\.\./)+[^)\s#]+)((?:#[^)\s]*)?\))")
DISPLAYED = re.compile(r"^\$\$\n?(.+?)\n?\$\$$", re.MULTILINE | re.DOTALL)


def on_config(config: Any) -> Any:
    """Fill the navigation and give fences of formulas their writer."""
    import pellucid

    config.nav = _fill(config.nav, config, _namespaces(pellucid))
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {}).setdefault("custom_fences", [])
    fences.append({"name": "math", "class": "formula", "format": _formula})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages of the reference and the changelog."""
    import pellucid

    spaces = _namespaces(pellucid)
    pages = {f"reference/{name}.md": _reference_page(name, module) for name, module in spaces.items()}
    pages["reference/pellucid.md"] = _top_page(pellucid)
    pages["reference/index.md"] = _reference_index(pellucid, spaces)
    pages["changelog.md"] = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](")
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Put in what is quoted from the code, and turn links out of the documentation."""
    markdown = QUOTE.sub(lambda found: _quoted(found[1]), markdown)
    markdown = SETTINGS.sub(lambda found: _settings(found[1]), markdown)
    markdown = DISPLAYED.sub(lambda found: f"```math\n{found[1]}\n```", markdown)
    folder = posixpath.dirname(page.file.src_uri)
    return LINK.sub(lambda found: found[1] + _target(found[2], folder, page, config) + found[3], markdown)


def _target(link: str, folder: str, page: Any, config: Any) -> str:
    path = posixpath.normpath(posixpath.join("docs", folder, link))
    if path == "docs" or path.startswith("docs/"):
        return link
    if not (ROOT / path).exists():
        raise PluginError(f"{page.file.src_uri}: {link} leads to {path}, which does not exist")
    return f"{config.extra['social'][0]['link']}/blob/main/{path}"


def _formula(source: str, language: str, css_class: str, options: Any, md: Any, **_: Any) -> str:
    return f'<div class="{css_class}">{convert(" ".join(source.split()), display="block")}</div>'


def _fill(nav: list[Any], config: Any, spaces: dict[str, ModuleType]) -> list[Any]:
    filled = []
    for entry in nav:
        ((title, value),) = entry.items() if isinstance(entry, dict) else ((None, entry),)
        if isinstance(value, list):
            filled.append({title: _fill(value, config, spaces)})
        elif value == "reference/":
            names = ["index", "pellucid", *spaces]
            filled.append({title: [f"reference/{name}.md" for name in names]})
        elif value.endswith("/"):
            filled.append({title: _pages_of(Path(config.docs_dir) / value, value)})
        else:
            filled.append(entry)
    return filled


def _pages_of(folder: Path, prefix: str) -> list[str]:
    index = next(path for name in ("index.md", "README.md") if (path := folder / name).exists())
    linked = re.findall(r"\]\(([\w-]+\.md)(?:#[\w-]*)?\)", index.read_text(encoding="utf-8"))
    left_out = sorted({path.name for path in folder.glob("*.md")} - {index.name, *linked})
    return [prefix + name for name in dict.fromkeys([index.name, *linked, *left_out])]


def _quoted(path: str) -> str:
    try:
        return quoted(path)
    except ValueError as error:
        raise PluginError(str(error)) from error


def _settings(path: str) -> str:
    """A table of the settings that are declared for trainings, in the order of their declaration."""
    module, _, name = path.rpartition(".")
    experiment = importlib.import_module(module)
    defaults = {field.name: field.default for field in msgspec.structs.fields(getattr(experiment, name))}
    rows = []
    for setting, declared in experiment.SETTINGS.items():
        default = defaults.get(setting)
        shown = "" if default in (None, "", msgspec.NODEFAULT) else f"`{_plain(default)}`"
        allowed = "" if declared.constraint is None else str(declared.constraint)
        only = {None: "", "supervised": "", "adversarial": " *GANs only.*"}[declared.program]
        rows.append(f"| `{setting}` | {shown} | {allowed} | {declared.help}{only} |".replace("\n", " "))
    return "\n".join(["| Setting | Default | Allowed | Meaning |", "|---|---|---|---|", *rows])


def _plain(default: Any) -> str:
    return ", ".join(default) if isinstance(default, tuple) else str(default)


def _namespaces(package: ModuleType) -> dict[str, ModuleType]:
    items = {name: getattr(package, name) for name in package.__all__}
    return {name: item for name, item in items.items() if isinstance(item, ModuleType)}


def public_names(module: ModuleType) -> list[str]:
    """The public names of a namespace: those it lists, or those that it holds."""
    listed = getattr(module, "__all__", None) or sorted(vars(module), key=str.lower)
    items = {name: getattr(module, name) for name in listed if not name.startswith("_")}
    return [
        name
        for name, item in items.items()
        if inspect.isclass(item) or (inspect.isfunction(item) and name != "register")
    ]


def _first_line(item: Any) -> str:
    return (inspect.getdoc(item) or "").split("\n")[0]


def _path(item: Any) -> str:
    return f"{item.__module__}.{item.__qualname__}"


def _entry(title: str, item: Any) -> str:
    return f"::: {_path(item)}\n    options:\n      heading: {title}\n      toc_label: {title.rpartition('.')[2]}\n"


def _reference_page(name: str, module: ModuleType) -> str:
    import pellucid

    entries = []
    for item_name in public_names(module):
        item = getattr(module, item_name)
        short = item_name in pellucid.__all__ and getattr(pellucid, item_name) is item
        entries.append(_entry(f"pel.{item_name}" if short else f"pel.{name}.{item_name}", item))
    text = inspect.getdoc(module) or ""
    if hasattr(module, "register"):
        text += f'\n\nA custom class joins them with `@pel.{name}.register("its_name")`.'
    return f"# pel.{name}\n\n{text}\n\n" + "\n".join(entries)


def _top_page(package: ModuleType) -> str:
    in_namespaces = {
        id(getattr(module, name)) for module in _namespaces(package).values() for name in public_names(module)
    }
    own = [
        _entry(f"pel.{name}", item)
        for name in package.__all__
        if not isinstance(item := getattr(package, name), ModuleType) and id(item) not in in_namespaces
    ]
    return "# pellucid\n\nThe names at the top that no namespace holds.\n\n" + "\n".join(own)


def _reference_index(package: ModuleType, spaces: dict[str, ModuleType]) -> str:
    lines = ["# Reference", "", "`import pellucid as pel`. Every public name, from its docstring.", ""]
    lines += ["## At the top", "", "| Name | |", "|---|---|"]
    home = {id(getattr(module, name)): space for space, module in spaces.items() for name in public_names(module)}
    for name in package.__all__:
        item = getattr(package, name)
        if not isinstance(item, ModuleType):
            page = home.get(id(item), "pellucid")
            lines.append(f"| [`pel.{name}`]({page}.md#{_path(item)}) | {_first_line(item)} |")
    lines += ["", "## Namespaces", "", "| Namespace | | Names |", "|---|---|---|"]
    for name, module in spaces.items():
        listed = ", ".join(f"`{item}`" for item in public_names(module))
        lines.append(f"| [`pel.{name}`]({name}.md) | {_first_line(module)} | {listed} |")
    return "\n".join(lines) + "\n"
