# SPDX-License-Identifier: MIT OR Apache-2.0
"""Opens the recordings that the example `synthesize` made, each with the tool of its ecosystem.

check.py DIRECTORY
"""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy
import sigmf

directory = Path(sys.argv[1])
# Of the recording "gaps": sequence, and frames lost before it; and frames lost after the last one.
SEQUENCE = [3, 4, 5, 9, 10]
LOST = [3, 0, 0, 3, 0]
LOST_AFTER = 7
WORDS = [word for sequence in SEQUENCE for word in range(sequence * 4, sequence * 4 + 4)]
FRAMES = {"none": 0, "one": 1, "gaps": 5}


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done}"
    return done.stdout


def comment(text, key):
    """The JSON object with this key that a file has in a comment."""
    found = json.JSONDecoder().raw_decode(text[text.index('{"' + key + '"') :])[0]
    return found[key]


def check_ending(ending, name):
    assert ending["reason"] == "interrupted", ending
    assert ending["lost_after"] == (LOST_AFTER if name == "gaps" else 0), ending


def npy():
    for name, frames in FRAMES.items():
        path = directory / f"{name}.npy"
        rows = numpy.load(path, mmap_mode="r")
        assert rows.shape == (frames,) and rows["payload"].dtype == numpy.uint32, rows.dtype
        if name == "gaps":
            assert rows["sequence"].tolist() == SEQUENCE and rows["lost"].tolist() == LOST
            assert rows["payload"].flatten().tolist() == WORDS
        text = path.read_bytes()[:4096].decode("latin1")
        found = json.loads(text[text.index("# ") + 2 :])
        check_ending(found["end"], name)
        # NumPy can write the array again.
        numpy.save(directory / f"{name}-again.npy", rows)
    # 10 GB, of which the disk has only the headers.
    rows = numpy.load(directory / "large.npy", mmap_mode="r")
    assert rows.nbytes > 10_000_000_000, rows.nbytes
    assert rows["sequence"].tolist() == list(range(len(rows))) and not rows["lost"].any()


def pcapng():
    for name, frames in FRAMES.items():
        path = str(directory / f"{name}.pcapng")
        fields = ["frame.len", "frame.drop_count", "frame.time_epoch"]
        lines = run("tshark", "-r", path, "-T", "fields", *(f"-e{field}" for field in fields))
        packets = [line.split() for line in lines.splitlines()]
        assert [packet[0] for packet in packets] == ["80"] * frames, packets
        if name == "gaps":
            assert [int(packet[1]) for packet in packets] == LOST, packets
            assert packets[0][2] == "1790000000.003000000", packets
        about = run("capinfos", "-M", path)
        assert "Encapsulation = USER 0" in about and "Name = /dev/dmaframe0" in about, about


def samples(path, channels):
    """The samples of a session, as bits of words."""
    text = run("sigrok-cli", "-i", path, "-O", "csv:label=off:header=false:time=false", "-C", channels)
    rows = [row for row in csv.reader(io.StringIO(text)) if row and row[0].isdigit()]
    return [sum(int(bit) << at for at, bit in enumerate(row)) for row in rows]


def sr():
    show = run("sigrok-cli", "-i", str(directory / "none.sr"), "--show")
    assert "Channels: 32" in show, show
    for name, words in [("one", [0, 1, 2, 3]), ("gaps", WORDS[:12]), ("gaps-2", WORDS[12:])]:
        path = str(directory / f"{name}.sr")
        assert "Samplerate: 4000" in run("sigrok-cli", "-i", path, "--show")
        found = samples(path, "D0,D1,D2,D3,D4,D5")
        assert found == words, (name, found)


def vcd():
    for name in FRAMES:
        text = (directory / f"{name}.vcd").read_text()
        check_ending(comment(text, "end"), name)
    # A sample each 250 us, as the words have them.
    arguments = ["-I", "vcd:downsample=250000", "-i", str(directory / "gaps.vcd")]
    text = run("sigrok-cli", *arguments, "-O", "bits:width=256", "-C", "D0,D1,D2,D3,gap")
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    gap = lines["gap"].replace(" ", "")
    # The gap of three frames, of 4 samples each.
    assert "0" + "1" * 12 + "0" in gap, gap


def wav():
    for name, count in [("none", 0), ("one", 4), ("gaps", 12), ("gaps-2", 8)]:
        path = str(directory / f"{name}.wav")
        about = [run("soxi", option, path).strip() for option in ["-r", "-c", "-b", "-s"]]
        assert about == ["4000", "1", "32", str(count)], (name, about)
    raw = subprocess.run(
        ["sox", str(directory / "gaps.wav"), "-t", "raw", "-"], capture_output=True, check=True
    ).stdout
    assert numpy.frombuffer(raw, "<u4").tolist() == WORDS[:12]


def sigmf_():
    for name, frames in FRAMES.items():
        meta = json.loads((directory / f"{name}.sigmf-meta").read_text())
        sigmf.validate.validate(meta)
        check_ending(meta["global"]["dmaframe:end"], name)
        if frames:
            recording = sigmf.fromfile(str(directory / f"{name}.sigmf-meta"))
            assert recording.sample_count == frames * 4, recording.sample_count
    captures = meta["captures"]
    assert [it["core:sample_start"] for it in captures] == [0, 12], captures
    assert [it["core:global_index"] for it in captures] == [12, 36], captures
    assert [it["dmaframe:lost"] for it in captures] == [3, 3], captures


for check in [npy, pcapng, sr, vcd, wav, sigmf_]:
    check()
    print(f"{check.__name__.strip('_')}: ok", flush=True)
