"""The generators: what each is made of, how its client is compiled, and how a program that uses it is run."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from msgspec import Struct

from bench.clients import tools
from bench.clients.tools import HERE, Shell

NODE = HERE / "tools" / "node.lock"
OPENAPI_GENERATOR = HERE / "tools" / "openapi-generator.lock"
VALIDATOR = Path("/usr/share/gocode/src/gopkg.in/validator.v2")
VALIDATOR_REQUIREMENT = (
    "The Go client needs gopkg.in/validator.v2: apt-get install golang-gopkg-validator.v2-dev, or a way to Go's proxy."
)


class Language(Struct, frozen=True):
    """How clients in one language are compiled and run.

    compiles    commands, one after the other, in the folder of the client and the program
    runs        the command that starts a compiled program, without its name
    """

    name: str
    suffix: str
    compiles: Callable[[str], list[list[str]]]
    runs: Callable[[str], list[str]]
    prepare: Callable[[Shell], Awaitable[None]]


class Generator(Struct, frozen=True):
    """One generator.

    command     how its command on the page begins
    package     what it is called where it comes from; its version is the lock's
    lock        which has that version
    locks       everything that is installed for it, that one among them
    """

    name: str
    command: str
    language: Language
    package: str
    lock: Path
    locks: tuple[Path, ...]
    on_page: bool = False

    @property
    def version(self) -> str:
        """The pinned version."""
        return tools.pinned(self.lock, self.package)

    @property
    def folder(self) -> Path:
        """Its program, and whatever else it needs."""
        return HERE / self.name

    async def installed(self, place: Path, environ: Mapping[str, str], work: Path) -> Shell:
        """Install what it needs below `place`, and lay its files into `work`; returns a shell there."""
        programs = [await tools.python(lock, place) for lock in self.locks if lock.suffix == ".lock"]
        shutil.copytree(self.folder, work)
        for lock in (one for one in self.locks if one.suffix == ".json"):
            modules = await tools.node(lock, place, programs) / "node_modules"
            (work / "node_modules").symlink_to(modules)
            programs.append(modules / ".bin")
        return Shell(work, tuple(programs), environ)


async def _nothing(shell: Shell) -> None:
    del shell


async def _go_modules(shell: Shell) -> None:
    """Take the one library that the Go client needs from Debian's package where that is, else from Go's proxy."""
    await shell.run("go", "mod", "init", "program")
    if await asyncio.to_thread(VALIDATOR.exists):
        shutil.copytree(VALIDATOR, shell.folder / "validator", ignore=shutil.ignore_patterns("*_test.go"))
        (shell.folder / "validator" / "go.mod").write_text("module gopkg.in/validator.v2\n")
        await shell.run("go", "mod", "edit", "-replace", "gopkg.in/validator.v2=./validator")
    try:
        await shell.run("go", "mod", "tidy")
    except tools.Failed as failed:
        raise tools.Failed(f"{VALIDATOR_REQUIREMENT}\n{failed}") from failed


PYTHON = Language(
    "python",
    ".py",
    lambda program: [
        ["python", str(HERE / "everything.py"), "watchkeeper_client"],
        ["python", "-m", "py_compile", program],
    ],
    lambda program: ["python", program],
    _nothing,
)
TYPESCRIPT = Language(
    "ts",
    ".ts",
    lambda _: [["tsc", "--project", ".", "--outDir", "compiled"]],
    lambda program: ["node", f"compiled/{Path(program).with_suffix('.js')}"],
    _nothing,
)
BUNDLED = Language(  # what these write names no file endings, as bundlers want it
    "ts",
    ".ts",
    lambda program: [
        ["tsc", "--project", ".", "--noEmit"],
        ["esbuild", program, "--bundle", "--platform=node", "--format=esm", "--outdir=compiled"],
    ],
    TYPESCRIPT.runs,
    _nothing,
)
GO = Language(
    "go",
    ".go",
    lambda program: [["go", "build", "-o", Path(program).stem, program], ["go", "vet", program]],
    lambda program: [f"./{Path(program).stem}"],
    _go_modules,
)


def _node(name: str, language: Language, command: str, package: str, *, on_page: bool = False) -> Generator:
    lock = HERE / name / "package-lock.json"
    return Generator(name, command, language, package, lock, (NODE, lock), on_page)


def _openapi_generator(language: Language, generator: str, *more: Path, on_page: bool = False) -> Generator:
    return Generator(
        f"openapi-generator-{generator}",
        f"openapi-generator-cli generate -g {generator} ",
        language,
        "openapi-generator-cli",
        OPENAPI_GENERATOR,
        (*more, OPENAPI_GENERATOR),
        on_page,
    )


_PYTHON_CLIENT = HERE / "openapi-python-client" / "requirements.lock"
GENERATORS = (
    Generator(
        "openapi-python-client",
        "openapi-python-client generate ",
        PYTHON,
        "openapi-python-client",
        _PYTHON_CLIENT,
        (_PYTHON_CLIENT,),
        on_page=True,
    ),
    _node("openapi-typescript", TYPESCRIPT, "npx openapi-typescript ", "openapi-typescript", on_page=True),
    _node("hey-api", BUNDLED, "npx openapi-ts ", "@hey-api/openapi-ts"),
    _node("orval", BUNDLED, "npx orval ", "orval"),
    _openapi_generator(PYTHON, "python", HERE / "openapi-generator-python" / "requirements.lock"),
    _openapi_generator(
        TYPESCRIPT, "typescript-fetch", NODE, HERE / "openapi-generator-typescript-fetch" / "package-lock.json"
    ),
    _openapi_generator(GO, "go", HERE / "openapi-generator-go" / "requirements.lock", on_page=True),
)
BY_NAME = {one.name: one for one in GENERATORS}
