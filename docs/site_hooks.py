"""What mkdocs cannot do by itself: notebooks as pages, the table of proofs, formulas without a script.

Loaded by mkdocs (`hooks` in mkdocs.yml); it computes nothing and calls nothing over the network.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from proofs.summary import proved_so_far

ROOT = Path(__file__).parent.parent
TABLE_OF_PROOFS = "<!-- the table of proofs -->"
FORMAT_OF_BUNDLES = "<!-- the format of bundles -->"
PICTURE = "image/png"
FORMULA = re.compile(r'<(?P<kind>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=kind)>', re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for every notebook, its pictures, and the list of them."""
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    listed = []
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        pictures: list[bytes] = []
        page = "\n\n".join(_cell(cell, path.stem, pictures) for cell in notebook.cells)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=page))
        for number, picture in enumerate(pictures):
            files.append(File.generated(config, f"notebooks/{path.stem}-{number}.png", content=picture))
        said = "".join(notebook.cells[-1].outputs[-1].data["text/markdown"]).strip("*")
        title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
        listed.append(f"- [{title}]({path.stem}.md): {said}")
    head = (
        "# Notebooks\n\nEach ends in a sentence that the numbers above it prove; a run of the tests runs them all.\n\n"
    )
    files.append(File.generated(config, "notebooks/index.md", content=head + "\n".join(listed) + "\n"))
    return files


def _cell(cell: Any, stem: str, pictures: list[bytes]) -> str:
    if cell.cell_type == "markdown":
        return _within_the_site(str(cell.source))
    return "\n\n".join([f"```python\n{cell.source}\n```", *_outputs(cell.outputs, stem, pictures)])


def _outputs(outputs: list[Any], stem: str, pictures: list[bytes]) -> Iterator[str]:
    for output in outputs:
        if output.output_type == "stream":
            yield f"```text\n{output.text.rstrip()}\n```"
        elif PICTURE in output.data:
            pictures.append(base64.b64decode(output.data[PICTURE]))
            yield f"![A plot, described by its title and the text around it]({stem}-{len(pictures) - 1}.png)"
        elif "text/latex" in output.data:
            yield output.data["text/latex"].replace("$\\displaystyle ", "$$").replace("$$$", "$$").rstrip("$") + "$$"
        else:
            yield output.data.get("text/markdown", output.data.get("text/plain", ""))


def _within_the_site(source: str) -> str:
    """Links from a notebook to its neighbours become links between pages; the readme of the proofs is a page too."""
    source = re.sub(r"\]\((\d-[\w-]+)\.ipynb\)", r"](\1.md)", source)
    return source.replace("](../proofs/README.md)", "](../proved.md)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put in what is written elsewhere, so that it is written once."""
    bundle_format = (ROOT / "certify" / "schemas" / "README.md").read_text(encoding="utf-8")
    described = bundle_format.partition("\n")[2].partition("## Emit one")[0]
    described = re.sub(r"\[([^\]]+)\]\(topk-certificate-1\.json\)", r"`\1`", described)
    return markdown.replace(TABLE_OF_PROOFS, proved_so_far()).replace(FORMAT_OF_BUNDLES, described)


def on_page_content(content: str, **_: Any) -> str:
    """Formulas as MathML, which browsers draw themselves."""

    def drawn(found: re.Match[str]) -> str:
        display = found["kind"] == "div"
        return convert(html.unescape(found["latex"]).strip(), display="block" if display else "inline")

    return re.sub(
        r'<(?P<kind>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=kind)>',
        drawn,
        content,
        flags=re.DOTALL,
    )
