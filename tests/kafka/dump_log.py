"""The real kafka-dump-log, run over many files by one process, always on a copy."""

import pathlib
import subprocess
import tempfile

import brokers


def run(root, lines, out):
    """Runs `(flags, file)` lines, files relative to root, and returns (flags, file, stdout file, stderr file, status)."""
    root, out = pathlib.Path(root).resolve(), pathlib.Path(out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dump-", dir=brokers.WORK) as copy:
        copy = pathlib.Path(copy)
        # The tool wants the .log beside an .index, and both beside a .timeindex.
        for parent in sorted({pathlib.Path(file).parent for _, file in lines}):
            (copy / parent).mkdir(parents=True, exist_ok=True)
            files = [f for f in (root / parent).iterdir() if f.is_file()]
            subprocess.run(["cp", "--sparse=always", *files, copy / parent], check=True)
        manifest = copy.with_name(copy.name + ".manifest")
        try:
            manifest.write_text("".join(f"{flags}\t{file}\t{name}.out\t{name}.err\n"
                                        for (flags, file), name in zip(lines, names(lines))))
            brokers.java("DumpLog", root, manifest, out, cwd=copy)
        finally:
            manifest.unlink(missing_ok=True)
    done = [line.split("\t") for line in (out / "manifest.tsv").read_text().splitlines()]
    return [(*line[:4], int(line[4])) for line in done]


def names(lines):
    """Output names that say what they are of: directory, file, flags."""
    for flags, file in lines:
        yield file + "".join("." + flag.strip("-") for flag in flags.split()).replace("/", "_")


def prune(out):
    """Empty outputs need no file; the manifest says `-` for them."""
    manifest = pathlib.Path(out) / "manifest.tsv"
    lines = []
    for line in manifest.read_text().splitlines():
        fields = line.split("\t")
        for i in (2, 3):
            file = manifest.parent / fields[i]
            if file.stat().st_size == 0:
                file.unlink()
                fields[i] = "-"
        lines.append("\t".join(fields))
    manifest.write_text("\n".join(lines) + "\n")


