"""``ehrbench data dedupe``, ``match``, ``match-review`` and ``lengths``: a hospital's own MedAlign, from instructions to data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ehrbench.curation.collections import Collection

_RECORDS = typer.Option(
    help="Folder of records: a MEDS data set, or a file per patient (MedAlign's XML or plain text, as in a release's ehrs/)."
)
_TASK = typer.Option(help="Task whose records are taken in place of a folder's, for example one that was built from MIMIC-IV.")
_DATA_DIR = typer.Option(help="Folder that holds the task's release, or 'sample'. [default: $EHRBENCH_DATA or ./data]")


def dedupe(
    instructions: Annotated[Path, typer.Argument(help="Table with the columns instruction_id and question (CSV, TSV, Excel).")],
    out: Annotated[Path, typer.Option(help="Table of the instructions that are kept (CSV).")],
    removed: Annotated[
        Path | None, typer.Option(help="Table of those removed, each with the one that it resembles (CSV).")
    ] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="ROUGE-L above which two instructions are one.")] = 0.7,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Remove instructions that say nearly what an earlier one says, as MedAlign's authors did (1,314 to 983).

    In the order of the table, an instruction is removed where its ROUGE-L (F measure) with a kept one is above the threshold.
    """
    from ehrbench.curation.instructions import NAMES, read_instructions
    from ehrbench.curation.instructions import dedupe as without_near_duplicates
    from ehrbench.jsonl import write_atomically
    from ehrbench.tables import to_csv
    from ehrbench.terminal.output import print_json

    kept, gone = without_near_duplicates(read_instructions(instructions), threshold)
    rows = ((one.id, one.question, one.patient_characteristics, one.clinical_context) for one in kept)
    write_atomically(out, to_csv(tuple(NAMES), rows).encode())
    if removed is not None:
        header = ("instruction_id", "question", "kept_instruction_id", "kept_question", "rouge_l")
        pairs = ((o.instruction.id, o.instruction.question, o.kept.id, o.kept.question, round(o.rouge_l, 4)) for o in gone)
        write_atomically(removed, to_csv(header, pairs).encode())
    if as_json:
        print_json({"read": len(kept) + len(gone), "kept": len(kept), "removed": len(gone), "out": str(out)})
    else:
        typer.echo(
            f"{len(kept)} of {len(kept) + len(gone)} instructions kept in {out}, {len(gone)} removed (ROUGE-L > {threshold:g})"
        )


def match(
    instructions: Annotated[
        Path,
        typer.Argument(
            help="Table with the columns instruction_id, question, patient_characteristics, clinical_context (CSV, TSV, Excel)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Private folder for the review sheet, its key and the index.")],
    records: Annotated[Path | None, _RECORDS] = None,
    task: Annotated[str | None, _TASK] = None,
    data_dir: Annotated[str | None, _DATA_DIR] = None,
    include_path: Annotated[list[Path] | None, typer.Option(help="Folder with further task files; repeatable.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Records per instruction.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed for the record drawn at random and for the order in the sheet.")] = 0,
    question_only: Annotated[
        bool, typer.Option("--question-only", help="Accept a table without patient characteristics and clinical context.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Match instructions to records by BM25, beside one drawn at random, and write the sheet that clinicians fill in.

    The index stays in OUT/index and serves again while the records' files stay the same. It holds their words: OUT is private.
    """
    from ehrbench.curation.instructions import read_instructions
    from ehrbench.curation.matching import match as find
    from ehrbench.curation.record_index import build_index, open_index
    from ehrbench.curation.review import REVIEW, refuse_another, write_sheet
    from ehrbench.jsonl import write_private_folder
    from ehrbench.terminal.output import print_json

    asked = read_instructions(instructions, with_context=not question_only)
    refuse_another(out)
    collection = _collection(records, task, data_dir, include_path)
    folder = out / "index"
    index = open_index(folder, collection.signature)
    if index is None:
        write_private_folder(out)
        build_index(folder, collection.texts(), collection.signature, lambda n: typer.echo(f"… {n:,} records indexed", err=True))
        index = open_index(folder, collection.signature)
        assert index is not None
    write_sheet(out, asked, find(asked, index, top, seed), seed)
    if as_json:
        print_json({"instructions": len(asked), "records": len(index.records), "sheet": str(out / REVIEW)})
    else:
        typer.echo(f"{len(asked)} instructions matched to {len(index.records):,} records; clinicians fill in {out / REVIEW}")
        typer.echo(f"then: ehrbench data match-review {out}")


def match_review(
    folder: Annotated[Path, typer.Argument(help="Folder that `ehrbench data match` wrote.")],
    sheet: Annotated[
        Path | None, typer.Option(help="Filled sheet: CSV, TSV or an Excel workbook. [default: review.csv of the folder]")
    ] = None,
    data_out: Annotated[
        Path | None, typer.Option(help="Also write a data folder of the relevant matches that have an answer, with a task file.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of its task.")] = "own_instructions",
    records: Annotated[Path | None, _RECORDS] = None,
    task: Annotated[str | None, _TASK] = None,
    data_dir: Annotated[str | None, _DATA_DIR] = None,
    include_path: Annotated[list[Path] | None, typer.Option(help="Folder with further task files; repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how often matched and drawn records were relevant, and make a data folder of the relevant ones."""
    from ehrbench.curation.matched_data import chosen, write_data
    from ehrbench.curation.review import REVIEW, outcomes, read_candidates, read_sheet
    from ehrbench.terminal.output import print_json, print_table

    candidates = read_candidates(folder)
    instructions, judged = read_sheet(sheet or folder / REVIEW, candidates)
    table = outcomes(candidates, judged)
    answers, unsuited, unanswered = chosen(candidates, judged)
    open_rows = sum(one.relevant is None for one in judged.values())
    written = (
        write_data(data_out, name, instructions, answers, _collection(records, task, data_dir, include_path))
        if data_out
        else None
    )
    if as_json:
        found = {"outcomes": [one._asdict() for one in table], "rows_not_judged": open_rows, "without_relevant_match": unsuited}
        print_json({**found, "without_answer": unanswered, "items": len(answers), "task_file": str(written) if written else None})
        return
    rows = [(o.what, o.k, o.n, f"{o.k / o.n:.1%}" if o.n else "–", f"{o.low:.1%} to {o.high:.1%}" if o.n else "–") for o in table]
    print_table(("record", "relevant", "instructions", "share", "95 % interval"), rows, numbers=(1, 2, 3))
    if open_rows:
        typer.echo(
            f"note: {open_rows} of {len(judged)} rows are not judged; an instruction that they leave open is not counted",
            err=True,
        )
    if data_out and written:
        for n, what in ((unsuited, "no relevant match"), (unanswered, "a relevant match but no answer")):
            if n:
                typer.echo(f"note: {n} instructions have {what} and are no items", err=True)
        typer.echo(f"{len(answers)} items written to {data_out / name}")
        typer.echo(f"then: ehrbench run --model MODEL --tasks {name} --include-path {written.parent} --data-dir {data_out}")


def lengths(
    tokenizer: Annotated[str, typer.Option(help="Tokenizer that counts: a folder, a cached hub id, or 'words'.")],
    records: Annotated[Path | None, _RECORDS] = None,
    task: Annotated[str | None, _TASK] = None,
    data_dir: Annotated[str | None, _DATA_DIR] = None,
    include_path: Annotated[list[Path] | None, typer.Option(help="Folder with further task files; repeatable.")] = None,
    windows: Annotated[str, typer.Option(help="Windows in tokens, separated by commas.")] = "2048,4096,8192,32768,131072",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how long records are in tokens, and which share of them fits into each window.

    The records alone are counted: a prompt also needs room for the question and the answer.
    """
    from ehrbench.curation.lengths import record_lengths
    from ehrbench.errors import UsageError
    from ehrbench.runs.prepared import load_budget_tokenizer
    from ehrbench.terminal.output import print_json, print_table

    sizes = [part.strip() for part in windows.split(",")]
    if not all(size.isascii() and size.isdigit() and 0 < int(size) < 10**12 for size in sizes):
        raise UsageError(f"--windows '{windows}' is not a list of whole numbers of tokens, such as 2048,32768")
    counter = load_budget_tokenizer(tokenizer)
    assert counter is not None
    found = record_lengths(_collection(records, task, data_dir, include_path).texts(), counter, [int(size) for size in sizes])
    if as_json:
        print_json({**found._asdict(), "fits": [fit._asdict() for fit in found.fits], "tokenizer": counter.name})
        return
    typer.echo(
        f"{found.n:,} records of {found.shortest:,} to {found.longest:,} tokens ({counter.name}), "
        f"median {found.median:,.0f}, mean {found.mean:,.0f}"
    )
    rows = [(f"{f.window:,}", f"{f.k:,}", f"{f.k / f.n:.1%}", f"{f.low:.1%} to {f.high:.1%}") for f in found.fits]
    print_table(("window", "records that fit", "share", "95 % interval"), rows, numbers=(0, 1, 2))


def _collection(records: Path | None, task: str | None, data_dir: str | None, include_path: list[Path] | None) -> Collection:
    from ehrbench.curation.collections import collection_of, open_collection
    from ehrbench.errors import UsageError
    from ehrbench.readers.data_dir import open_dataset
    from ehrbench.tasks.catalog import load_catalog

    if (records is None) == (task is None):
        raise UsageError("name where the records are: either --records FOLDER or --task NAME")
    if records is not None:
        return open_collection(records)
    chosen = load_catalog(include_path or ()).select(task or "")
    if len(chosen) != 1:
        raise UsageError(f"--task '{task}' stands for {len(chosen)} tasks; name one")
    return collection_of(open_dataset(chosen[0], data_dir))
