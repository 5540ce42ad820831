"""Text that nobody obfuscated opens no view: languages, code, keys, hashes, sequences, games."""

import base64
import hashlib
import json
import random
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from gruyere.views import read_views

SAMPLES = [
    line
    for line in Path(__file__).with_name("plain_samples.txt").read_text("utf-8").splitlines()
    if line and line != "%%"
]
ALLOWED = 2
"""Of the handwritten lines, "T h e  E n d" is spelled out on purpose, and one more may err."""


def _jwt(rng: random.Random) -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    return f"{part(rng.randbytes(27))}.{part(rng.randbytes(48))}.{part(rng.randbytes(32))}"


def _pem(rng: random.Random) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(rng.randbytes(600)).decode()}-----END CERTIFICATE-----"


def _table(rng: random.Random) -> str:
    return "\n".join(" ".join(str(rng.randrange(10, 99)) for _ in range(12)) for _ in range(8))


def _assembly(rng: random.Random) -> str:
    return "\n".join(f"{n:08x}: {rng.randbytes(16).hex(' ')}" for n in range(0, 96, 16))


def _variables(rng: random.Random) -> str:
    names = ["x1", "tmp2", "i", "j", "k", "utf8", "idx", "n_rows", "buf0", "ptr", "cfg", "df", "np", "v4l2", "sha1"]
    return " ".join(f"{rng.choice(names)} = {rng.choice(names)} + {rng.randrange(100)};" for _ in range(20))


def _moves(rng: random.Random) -> str:
    return " ".join(
        f"{n}. {rng.choice('NBRQK')}{rng.choice('abcdefgh')}{rng.randrange(1, 9)} {rng.choice('abcdefgh')}{rng.randrange(1, 9)}"
        for n in range(1, 30)
    )


MACHINES: dict[str, Callable[[random.Random], str]] = {
    "md5": lambda rng: hashlib.md5(rng.randbytes(8)).hexdigest(),
    "sha256 list": lambda rng: "\n".join(hashlib.sha256(rng.randbytes(8)).hexdigest() + "  a.tar" for _ in range(6)),
    "uuid": lambda rng: " ".join(str(uuid.UUID(bytes=rng.randbytes(16))) for _ in range(5)),
    "token": _jwt,
    "certificate": _pem,
    "dna": lambda rng: "".join(rng.choices("ACGT", k=400)),
    "dna in groups": lambda rng: " ".join("".join(rng.choices("acgt", k=10)) for _ in range(40)),
    "protein": lambda rng: "".join(rng.choices("ACDEFGHIKLMNPQRSTVWY", k=300)),
    "numbers": _table,
    "dump": _assembly,
    "variables": _variables,
    "chess": _moves,
    "digits of a constant": lambda rng: "".join(rng.choices("0123456789", k=500)),
    "bits": lambda rng: " ".join("".join(rng.choices("01", k=8)) for _ in range(30)),
    "json": lambda rng: json.dumps([{"id": rng.randrange(10**9), "key": rng.randbytes(9).hex()} for _ in range(8)]),
    "picture": lambda rng: "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + rng.randbytes(300)).decode(),
    "pseudo-words": lambda rng: " ".join("".join(rng.choices("bcdfgklmnprstvaeiou", k=rng.randrange(2, 9))) for _ in range(40)),
    "passwords": lambda rng: " ".join("".join(rng.choices("abcdefghjkmnpqrstuvwxyzABCDEFGH23456789!$%", k=14)) for _ in range(6)),
}  # fmt: skip


def test_written_samples_open_no_view() -> None:
    assert len(SAMPLES) >= 90
    opened = {sample: views for sample in SAMPLES if (views := read_views(sample))}
    assert len(opened) <= ALLOWED, opened


def test_paragraphs_of_many_languages_open_no_view() -> None:
    text = Path(__file__).with_name("plain_samples.txt").read_text("utf-8")
    languages = text.split("%%")[1]
    assert read_views(languages) == ()


@pytest.mark.parametrize("kind", sorted(MACHINES))
def test_what_machines_write_opens_no_view(kind: str) -> None:
    opened = [views for seed in range(40) if (views := read_views(MACHINES[kind](random.Random(seed))))]
    assert not opened
