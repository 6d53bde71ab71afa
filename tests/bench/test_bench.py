"""What judges has to find what is wrong."""

import glob
import json
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]

import measure  # noqa: E402
import report  # noqa: E402
import soak  # noqa: E402


def samples(hours=1.0, leak_mib=0.0, more_descriptors=0):
    made = []
    for n in range(361):
        part = {"VmRSS": 10_240 + leak_mib * 1024 * n / 360, "Threads": 2, "descriptors": 19 + (more_descriptors if n > 300 else 0)}
        made.append({"seconds": n * 10 * hours, **{name: dict(part) for name in ("supervisor", "core", "device")}})
    return made


def judged(of, errors=()):
    one = soak.Soak.__new__(soak.Soak)
    one.samples, one.errors = of, list(errors)
    return {what: good for what, _, good in one.judge()}


def test_what_stays_as_it_was_passes():
    assert all(judged(samples()).values())


def test_a_leak_is_found():
    verdicts = judged(samples(leak_mib=1.5))
    assert not verdicts["core: RSS slope < 1.0 MiB/h"]
    assert verdicts["core: descriptors constant"]


def test_growth_while_warming_up_is_none():
    warming = samples()
    for sample in warming[:50]:
        sample["core"]["VmRSS"] -= 4096
    assert all(judged(warming).values())


def test_a_descriptor_that_stays_open_is_found():
    assert not judged(samples(more_descriptors=1))["core: descriptors constant"]


def test_an_error_is_found():
    assert not judged(samples(), ["core: wanted 200"])["no error"]


def test_of_several_rounds_each_row_is_the_middle_one():
    rounds = [{"direct": {"rate": 3, "p50_us": 9}, "daemon": {"rate": 5}, "resident": 1},
              {"direct": {"rate": 1, "p50_us": 7}, "daemon": {"rate": 9}, "resident": 2},
              {"direct": {"rate": 2, "p50_us": 8}, "daemon": {"rate": 7}, "resident": 3}]  # fmt: skip
    assert measure.middle(rounds) == {"direct": {"rate": 2, "p50_us": 8}, "daemon": {"rate": 7}, "resident": 3}


@pytest.fixture(scope="module")
def figures():
    with open(max(glob.glob(os.path.join(HERE, "..", "..", "docs", "performance", "20*.json"))), encoding="utf-8") as file:
        return json.load(file)


def test_an_aim_that_is_missed_is_called_so(figures):
    figures["sigv4"]["1 one core"] = dict(figures["sigv4"]["1 one core"], p50_us=1000.0)
    assert [line for line in report.aims(figures) if "ping-pong + 15 µs" in line and "MISSED" in line]


def test_charts_of_the_same_figures_are_the_same_bytes(figures, tmp_path):
    source = tmp_path / "figures.json"
    source.write_text(json.dumps(figures))
    seen = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        subprocess.run([os.path.join(HERE, "charts"), source, folder], check=True)
        seen.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert seen[0] == seen[1]
    assert set(seen[0]) == {"latency.svg", "sigv4.svg", "device.svg", "growth.svg"}
