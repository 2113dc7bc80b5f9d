"""The commands: what each takes, and what it does with it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from engram import __version__
from engram._errors import InvalidInput
from engram.memories import Memory
from engram.opening import open as open_store
from engram.plotting import check_file
from engram.plotting import plot as draw
from engram.recall import Recall
from engram.repair import repair as repair_store
from engram.store import MemoryStore

from . import embedder_choice, output
from .importing import import_file

# Typer brings its own click, or takes the one that is installed; of either it exports this alone.
_UsageError: Any = typer.BadParameter.__base__


class ReaderGone(Exception):
    """Nobody reads the output any more."""


class _Commands(TyperGroup):
    """What Typer leaves open: a pipe that breaks would end with 1, a wrong word would be no JSON."""

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **named: Any) -> Any:
        self._json = "--json" in args[: args.index("--") if "--" in args else None]
        with _pipe(), self._told():  # --help prints here
            return super().make_context(info_name, args, *more, **named)

    def invoke(self, context: Any) -> Any:
        with _pipe(), self._told():
            return super().invoke(context)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Prints what is wrong with the words of the command as JSON, too, if a script is to read it."""
        try:
            yield
        except _UsageError as error:
            if self._json:
                output.print_json({"ok": False, "error": error.format_message(), "kind": "UsageError"})
            raise


@contextmanager
def _pipe() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # what rich makes of it
            raise ReaderGone from ended
        raise


app = typer.Typer(
    name="engram",
    cls=_Commands,
    help="Look after stores of memories.",
    epilog="Exit codes: 0 fine, 1 damage found, 2 wrong use, 3 not usable now (locked, disk full), "
    "70 a fault of Engram's own, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _folder(path: str) -> Path:
    if not path:  # of which Path would make the current folder
        raise typer.BadParameter("it is empty; give the folder of a store")
    return Path(path)


StorePath = Annotated[
    Path, typer.Argument(metavar="PATH", help="The folder of the store.", show_default=False, parser=_folder)
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
EmbedderName = Annotated[
    str | None,
    typer.Option(
        "--embedder",
        metavar="MODULE:NAME",
        help="What turns texts into vectors: a function, an object with a method embed, or a class of such. "
        "Default: WordLlama, when its 256 dimensions are the store's.",
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"engram {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Look after stores of memories."""


@app.command()
def demo(
    keep: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Keep the store in this folder.", show_default=False)
    ] = None,
) -> None:
    """Store real text, kill the writer half way, reopen, ask questions, compare with FAISS."""
    from engram.demo import run

    run(output.console, keep)


@app.command()
def stats(path: StorePath, json: AsJson = False) -> None:
    """Print what a store holds and counts."""
    with output.told_as(json), _opened(path) as store:
        figures = store.stats()
    figures |= _bytes_in(path)
    if json:
        output.print_json(figures)
    else:
        output.print_stats(str(path), figures)


@app.command()
def plot(
    path: StorePath,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.png", help="Where to draw it.")] = Path(
        "tiers.png"
    ),
) -> None:
    """Draw how alive the memories of each tier are, and how long each tier takes to answer, as a PNG."""
    check_file(out)
    with _opened(path) as store, output.waiting("recalling in each tier"):
        draw(store, out)
    output.console.print(str(out), highlight=False, soft_wrap=True, markup=False)


@app.command()
def verify(path: StorePath, json: AsJson = False) -> None:
    """Read everything and check every checksum, and that log, graph and catalog agree.

    Exits with 1 when something is damaged.
    """
    with output.told_as(json), _opened(path) as store, output.waiting("verifying"):
        checked = dataclasses.asdict(store.verify())
    if json:
        output.print_json({"ok": True, **checked})
    else:
        output.console.print(f"{path} is sound: {checked['memories']:,} memories.", highlight=False)
        if left := checked["rows_of_no_memory"]:
            output.console.print(
                f"A kill left {left:,} rows of no memory in its catalog; the next checkpoint drops them.",
                highlight=False,
            )


@app.command()
def repair(
    path: StorePath,
    dim: Annotated[
        int | None, typer.Option(help="The dimension, when the manifest is lost.", show_default=False)
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help='"cosine", "l2" or "ip", when the manifest is lost.', show_default=False),
    ] = None,
    json: AsJson = False,
) -> None:
    """Keep what can be read of a damaged store, and say what is gone.

    The damaged files are kept in PATH/damaged-N. A sound store is left as it is. Exits with 1 when anything
    is lost or may be.
    """
    with output.told_as(json), output.waiting(f"repairing {path}"):
        report = repair_store(path, dim=dim, metric=metric)
    if json:
        output.print_json({"ok": report.lossless, **dataclasses.asdict(report)})
    else:
        output.print_repair(str(path), report)
    if not report.lossless:
        raise typer.Exit(1)


@app.command()
def recall(
    path: StorePath,
    text: Annotated[str | None, typer.Argument(help="What to recall.", show_default=False)] = None,
    k: Annotated[int, typer.Option("-k", help="How many memories.")] = 10,
    vector: Annotated[
        Path | None,
        typer.Option(metavar="FILE.npy", help="Recall with this vector, not a text.", show_default=False),
    ] = None,
    embedder: EmbedderName = None,
    json: AsJson = False,
) -> None:
    """Print the memories nearest to a text or a vector."""
    with output.told_as(json):
        if (text is None) == (vector is None):
            raise InvalidInput('give a text, or a vector with --vector: engram recall PATH "text"')
        if text is not None and not text.strip():
            raise InvalidInput('the text is empty: give what is to be recalled, engram recall PATH "text"')
        _recall(path, text or "", k, vector, embedder, json)


@app.command("import")
def import_(
    path: StorePath,
    file: Annotated[Path, typer.Argument(help="A .npy, .npz, .fvecs or .jsonl file.", show_default=False)],
    metric: Annotated[
        str | None,
        typer.Option(
            help='"cosine", "l2" or "ip", when the store is created. Default: cosine.', show_default=False
        ),
    ] = None,
    id_prefix: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Rows without an id are called this and their number. Default: the file's name and a dash.",
            show_default=False,
        ),
    ] = None,
    embedder: EmbedderName = None,
    json: AsJson = False,
) -> None:
    """Store the rows of a file: vectors of .npy and .fvecs, memories of .npz and .jsonl.

    An .npz has the array "vectors" (n, dim) and may have "ids" and "contents" of length n. A line of .jsonl
    is an object with "vector" or "content" (or both), and may have "id", "metadata" and "confidence". An id
    may be a text or an integer, which becomes a text.
    """
    began = time.perf_counter()
    prefix = f"{file.stem}-" if id_prefix is None else id_prefix
    with output.told_as(json):
        stored, total = import_file(path, file, metric, prefix, embedder)
    seconds = time.perf_counter() - began
    if json:
        output.print_json({"stored": stored, "memories": total, "seconds": round(seconds, 3)})
    else:
        output.console.print(
            f"Stored {stored:,} memories in {seconds:.1f} s; {path} now holds {total:,}.", highlight=False
        )


def _bytes_in(path: Path) -> dict[str, int]:
    """What the store takes, and apart from that what repairs have put aside."""
    sizes = {"bytes_on_disk": 0, "bytes_put_aside": 0}
    for file in path.rglob("*"):
        if file.is_file():
            put_aside = file.relative_to(path).parts[0].startswith("damaged-")
            sizes["bytes_put_aside" if put_aside else "bytes_on_disk"] += file.stat().st_size
    return sizes


def _opened(path: Path) -> MemoryStore:
    with output.waiting(f"opening {path}"):
        return open_store(path, read_only=True)


def _recall(path: Path, text: str, k: int, vector: Path | None, embedder: str | None, json: bool) -> None:
    with _opened(path) as store:
        if vector is not None:
            found = store.recall(embedder_choice.read_vector(vector), k)
        else:
            with output.waiting("loading the embedder"):
                chosen = embedder_choice.choose(embedder, store)
            found = store.recall(embedder_choice.embed(chosen, text, store.dim), k)
        if json:
            output.print_json({"hits": [_describe(store, found, at) for at in range(len(found))]})
        else:
            output.print_hits(found)


def _describe(store: MemoryStore, found: Recall, at: int) -> dict[str, Any]:
    hit = found[at]
    memory: Memory | None = store.get(hit.id)
    return {
        "id": hit.id,
        "distance": hit.distance,
        "confidence": hit.confidence,
        "tier": hit.tier,
        "content": hit.content,
        "metadata": hit.metadata,
        "created_at": None if memory is None else memory.created_at,
    }
