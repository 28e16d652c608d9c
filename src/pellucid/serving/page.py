"""The page that a server shows: what the run takes, and an example to copy."""

import json
from typing import Any

from pellucid.report import html
from pellucid.report.document import Bullets, Code, Document, Listing, Paragraph, Section, Table, Words
from pellucid.serving.limits import Limits
from pellucid.serving.model import Model

MOST_CATEGORIES = 20
"""Most categories of a column that are written out."""


def page_of(model: Model, limits: Limits, address: str, token: bool) -> str:
    """Render the page.

    Args:
        model: the run.
        limits: of the server.
        address: of the server, as the reader reached it.
        token: whether requests need one.
    """
    schema = model.schema(limits)
    example = schema["example"]
    header = " -H 'Authorization: Bearer TOKEN'" if token else ""
    answers = schema["answers"] if "task" not in schema["answers"] else {"": schema["answers"]}
    document = Document(
        model.run.name,
        Paragraph(f"Predicts from {model.form}.", kind="lead"),
        Section(
            "Predict", _of_a_file(schema["takes"].get("media"), address, header), *_how(example, address, header, model)
        ),
        Section("Columns", _columns(model)) if model.columns else None,
        Section("Answers", Table(("output", "task", "classes"), [_answer(name, one) for name, one in answers.items()])),
        Section(
            "Addresses",
            Bullets(
                [
                    Words(Code("POST /predict"), ": predictions, and probabilities of classes; rows in, rows out."),
                    Words(Code("POST /explain"), ': every number of one example: {"x": example, "y": target}.'),
                    Words(Code("GET /schema"), ": this page as JSON."),
                    Words(Code("GET /health"), " and ", Code("GET /metrics"), ": for those who watch it."),
                ]
            ),
            Paragraph(
                f"At most {limits.max_rows:,} rows and {limits.max_bytes:,} bytes a request. ",
                "JSON and Arrow streams (",
                Code("application/vnd.apache.arrow.stream"),
                ") are read; ",
                Code("Accept"),
                " says which is answered.",
                kind="quiet",
            ),
        ),
    )
    return html.page(document)


def _of_a_file(media: str | None, address: str, header: str) -> Listing | None:
    if media is None:
        return None
    ending = {"image/": "png", "audio/": "wav"}[media]
    return Listing(f"curl {address}/predict -H 'Content-Type: {media}{ending}'{header} --data-binary @FILE.{ending}")


def _how(example: Any, address: str, header: str, model: Model) -> list[Any]:
    if example is None:
        shape = ", ".join(map(str, model.facts.input_shape))
        return [
            Listing(
                "import json, urllib.request\nimport numpy as np\n\n"
                f"rows = np.zeros((1, {shape})).tolist()\n"
                f'request = urllib.request.Request("{address}/predict", json.dumps(rows).encode(), '
                '{"Content-Type": "application/json"})\n'
                "print(urllib.request.urlopen(request).read())"
            )
        ]
    body = json.dumps(example, ensure_ascii=False).replace("'", "'\\''")
    return [Listing(f"curl {address}/predict -H 'Content-Type: application/json'{header} \\\n  -d '{body}'")]


def _columns(model: Model) -> Table:
    rows = []
    for column in model.columns:
        shown = ", ".join(column.categories[:MOST_CATEGORIES]) if column.kind == "category" else ""
        more = len(column.categories) - MOST_CATEGORIES
        rows.append((column.name, column.kind, f"{shown} and {more} more" if shown and more > 0 else shown))
    return Table(("column", "kind", "categories"), rows)


def _answer(name: str, answer: dict[str, Any]) -> tuple[str, str, str]:
    classes = list(map(str, answer.get("classes", ())))
    more = f" and {len(classes) - MOST_CATEGORIES} more" if len(classes) > MOST_CATEGORIES else ""
    return name or ", ".join(answer.get("targets", ())), answer["task"], ", ".join(classes[:MOST_CATEGORIES]) + more
