"""`certify reference`: values that can be trusted to the last digit, and the conformance suite."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from certify.commands.audit import parse_rows
from certify.errors import BadInput, UndecidedRounding
from certify.terminal import ResultConsole, progress_bar, until_the_reader_leaves

if TYPE_CHECKING:
    from certify.reference_values.quantities import Quantity
    from certify.reference_values.record import Reference

__all__ = ["reference"]

_UNDECIDED = 3
_SUFFIX_ORDER = (".json", ".csv", ".npz", ".h", ".py")


def reference(
    context: typer.Context,
    quantity: Annotated[str, typer.Argument(help="Its name, or `suite` for the conformance suite.")] = "",
    digits: Annotated[int, typer.Option(help="Significant decimal digits, rounded to nearest, ties to even.")] = 17,
    dtype: Annotated[
        str, typer.Option(help="Of vectors given by hand or by family: float64, float32, float16, bfloat16.")
    ] = "float64",
    family: Annotated[
        str | None, typer.Option(help="Draw the inputs: normal, uniform, ties, masked, spread, two-levels.")
    ] = None,
    seed: Annotated[int, typer.Option(help="With --family: the first seed.")] = 0,
    count: Annotated[int, typer.Option(help="With --family: how many seeds.")] = 1,
    keys: Annotated[int, typer.Option(help="With --family: keys in the row.")] = 16,
    keep: Annotated[int, typer.Option(help="With --family: kept keys.")] = 4,
    width: Annotated[int, typer.Option(help="With --family: length of vectors.")] = 3,
    bundle: Annotated[Path | None, typer.Option(help="Take the inputs from the rows of this bundle.")] = None,
    rows: Annotated[
        str | None, typer.Option(help='With --bundle: flat row numbers, such as "0:10,17"; all by default.')
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write .json, .csv, .npz, .h or .py.")] = None,
    written: Annotated[
        Literal["text", "json", "csv", "h", "py"], typer.Option("--format", help="What goes to stdout without -o.")
    ] = "text",
    max_bits: Annotated[
        int | None, typer.Option(help="Precision after which a rounding is left undecided; 8192, or 8 a digit.")
    ] = None,
) -> None:
    """Print QUANTITY with guaranteed digits and correctly rounded floats; without QUANTITY, list all quantities.

    Inputs are given by hand as --NAME VALUE: --scores "0x1p-3,1.5,-inf" --kept 0,2 --value "1,0;0,1;2,2" --eps 0.01. A
    decimal is rounded once to the dtype; hexadecimal must be exact in it.
    """
    from certify.reference_values import quantities

    if not quantity:
        _list(quantities.QUANTITIES.values())
        return
    given = _by_hand(context.args)
    if quantity == "suite":
        _write_suite(output, given)
        return
    found = quantities.find(quantity)
    if output is not None:
        _check_target(output)
    if rows is not None and bundle is None:
        raise BadInput("--rows names rows of a bundle; give --bundle too")
    if family is not None and bundle is not None:
        raise BadInput("--family and --bundle both give the inputs; use one")
    if family is not None:
        cases = _of_family(
            found, given, family, range(seed, seed + count), {"n": keys, "k": keep, "width": width}, dtype
        )
    elif bundle is not None:
        cases = _of_bundle(found, given, bundle, rows, dtype)
    else:
        cases = [(found.name, _parsed(given, dtype, {}))]
    try:
        values = _evaluated(found, cases, digits, max_bits)
    except UndecidedRounding as error:
        sys.stderr.write(f"certify: {error}\n")
        raise typer.Exit(_UNDECIDED) from None
    about = f"{found.name}: {found.meaning} ({found.theorem})"
    _deliver(values, about, output, written)


def _evaluated(
    found: Quantity, cases: list[tuple[str, dict[str, Any]]], digits: int, max_bits: int | None
) -> list[Reference]:
    from certify.reference_values.inputs import Inputs
    from certify.reference_values.record import evaluated

    values = []
    with progress_bar("computing", "values") as progress:
        for done, (name, inputs) in enumerate(cases):
            checked = Inputs.of(found.name, inputs, found.needs, found.optional)
            values.append(evaluated(found, checked, digits, max_bits, case=name))
            progress(done + 1, len(cases))
    return values


def _by_hand(arguments: list[str]) -> dict[str, str]:
    """--name value and --name=value as {name: value}."""
    given: dict[str, str] = {}
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if not word.startswith("--"):
            raise BadInput(f"{word!r} stands where an option is expected; write inputs as --NAME VALUE")
        name, equals, value = word[2:].partition("=")
        if not equals:
            if not waiting:
                raise BadInput(f"--{name} has no value; write --{name} VALUE")
            value = waiting.pop(0)
        name = name.replace("-", "_")
        if name in given:
            raise BadInput(f"--{name.replace('_', '-')} is given twice; give it once")
        given[name] = value
    return given


def _parsed(given: dict[str, str], dtype: str, known: dict[str, Any]) -> dict[str, Any]:
    """Inputs given by hand, after those that are already `known`; sets of keys last, for they need the row's length."""
    from certify.reference_values.parameters import PARAMETERS, from_text, nearest_names
    from certify.scores import FLOAT_DTYPES

    if dtype not in FLOAT_DTYPES:
        raise BadInput(f"there is no dtype {dtype!r}; {nearest_names(dtype, FLOAT_DTYPES)}")
    found = dict(known)
    for name in sorted(given, key=lambda name: name in PARAMETERS and PARAMETERS[name].kind == "mask"):
        row = found.get("scores", found.get("key"))
        found[name] = from_text(name, given[name], dtype, None if row is None else len(row))
    return found


def _of_family(
    found: Quantity, given: dict[str, str], family: str, seeds: range, shape: dict[str, int], dtype: str
) -> list[tuple[str, dict[str, Any]]]:
    from certify.reference_values.families import generated

    if not seeds:
        raise BadInput(f"--count {len(seeds)} leaves no case; ask for 1 or more")
    names = found.needs + found.optional
    return [
        (f"{found.name}/{family}/{seed}", _parsed(given, dtype, generated(names, family, seed, dtype=dtype, **shape)))
        for seed in seeds
    ]


def _of_bundle(
    found: Quantity, given: dict[str, str], bundle: Path, rows: str | None, dtype: str
) -> list[tuple[str, dict[str, Any]]]:
    from certify.bundle import open_bundle
    from certify.reference_values.bundle_rows import inputs_of_rows

    opened = open_bundle(bundle, certified=False)
    opened.close()
    chosen = range(opened.layout.count) if rows is None else parse_rows(rows, opened.layout.count)
    taken = inputs_of_rows(bundle, chosen, found.needs + found.optional)
    return [(f"{found.name}/row-{row}", _parsed(given, dtype, inputs)) for row, inputs in taken]


def _check_target(output: Path) -> None:
    if output.suffix not in _SUFFIX_ORDER:
        raise BadInput(f"{output}: unknown suffix {output.suffix!r}; use {', '.join(_SUFFIX_ORDER)}")
    if not output.parent.is_dir():
        raise BadInput(f"{output}: there is no folder {output.parent}; make it first")


def _deliver(values: list[Reference], about: str, output: Path | None, written: str) -> None:
    from certify.reference_values.files import WRITERS

    if output is not None:
        output.write_bytes(WRITERS[output.suffix](values, about))
        Console().print(f"{output}: {len(values)} values", highlight=False, soft_wrap=True)
        return
    with until_the_reader_leaves():
        if written == "text":
            _print(values, about)
        else:
            sys.stdout.write(WRITERS[f".{written}"](values, about).decode())


def _print(values: list[Reference], about: str) -> None:
    from certify.reference_values.files import case

    sys.stdout.write(f"{about}\n")
    for value in values:
        found = case(value)
        sys.stdout.write(f"\n{value.case}\n")
        for name in ("decimal", "exact", "binary64", "binary32", "binary16", "bfloat16", "lower", "upper"):
            if name in found:
                sys.stdout.write(f"  {name:9} {found[name]}\n")
            elif name == "decimal":
                sys.stdout.write(f"  {name:9} not written beyond 2**±131072; see lower and upper\n")


def _list(quantities: Any) -> None:
    table = Table()
    table.add_column("quantity", no_wrap=True)
    for heading in ("", "what it is", "inputs"):
        table.add_column(heading)
    for quantity in quantities:
        optional = [f"[{name}]" for name in quantity.optional]
        table.add_row(quantity.name, quantity.theorem, quantity.meaning, " ".join([*quantity.needs, *optional]))
    with until_the_reader_leaves():
        ResultConsole(markup=False).print(table, markup=False)


def _write_suite(output: Path | None, given: dict[str, str]) -> None:
    from certify.reference_values.files import WRITERS
    from certify.reference_values.suite import ABOUT, NAME, suite

    if given:
        raise BadInput(f"the suite takes no inputs, and --{next(iter(given))} is one; give -o alone")
    if output is None:
        raise BadInput("the suite is a file, or a folder of all formats; say where with -o")
    targets = [output / f"{NAME}{suffix}" for suffix in _SUFFIX_ORDER] if output.is_dir() else [output]
    for target in targets:
        _check_target(target)
    with progress_bar("computing", "values") as progress:
        values = suite(progress)
    for target in targets:
        target.write_bytes(WRITERS[target.suffix](values, ABOUT))
        Console().print(f"{target}: {len(values)} values", highlight=False, soft_wrap=True)
