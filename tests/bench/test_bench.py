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


def hsm_figures():
    def daemon(rate, core, device):
        return {"rate": rate, "p50_us": 800.0, "p99_us": 900.0, "slowest_share": 0.9, "cpu_us": {"core": core, "device": device}}

    def alone(rate, loop):
        return {"rate": rate, "p50_us": 100.0, "p99_us": 200.0, "slowest_share": 1.0, "cpu_us": {"loop": loop}}

    made = {"direct 1": alone(9000, 100.0), "direct 8": alone(12000, 110.0), "p11-kit 1": alone(2000, 30.0), "p11-kit 8": alone(4000, 30.0)}
    for n in (1, 8, 64):
        made.update({f"always {n}": daemon(6000, 80.0, 115.0), f"sampled {n}": daemon(10000, 40.0, 110.0)})
    made.update({f"slow {n}": daemon(388.0, 200.0, 100.0) for n in (8, 64)})
    return {"hsm": {"softhsm": "2.6.1", "slow_rate": 400.0, **made}}


def verdicts(lines):
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]
    return {row[0]: row[2] for row in rows}


def test_what_reaches_each_bar_of_the_hsm_has_met_it():
    seen = verdicts(report.aims(hsm_figures()))
    assert len(seen) == 8
    assert set(seen.values()) == {"met"}


@pytest.mark.parametrize("row, field, value, aim", [
    ("always 8", "rate", 5999.0, "HSM: 8 clients ≥ 1.5 × p11-kit server's rate"),
    ("sampled 8", "rate", 9999.0, "HSM: 8 clients, sampled, ≥ 2.5 × p11-kit server's rate"),
    ("always 8", "cpu_us", {"core": 80.1, "device": 115.0}, "HSM: 8 clients add CPU ≤ 85 µs a signature"),
    ("sampled 8", "cpu_us", {"core": 40.0, "device": 110.1}, "HSM: 8 clients, sampled, add CPU ≤ 40 µs a signature"),
    ("slow 8", "rate", 387.9, "slow HSM: 8 clients ≥ 97 % of its possible rate"),
    ("slow 64", "rate", 387.9, "slow HSM: 64 clients ≥ 97 % of its possible rate"),
    ("slow 64", "slowest_share", 0.79, "slow HSM: the slowest of 64 ≥ 0.8 of the mean"),
])  # fmt: skip
def test_what_misses_a_bar_of_the_hsm_is_called_so(row, field, value, aim):
    figures = hsm_figures()
    figures["hsm"][row][field] = value
    assert [name for name, verdict in verdicts(report.aims(figures)).items() if verdict == "MISSED"] == [aim]


def test_the_hsms_rows_have_as_many_cells_as_their_head():
    rows = report.hsm(hsm_figures())
    assert len(rows) == 2 + 12
    assert {row.count("|") for row in rows} == {10}
    assert "| daemon | 8 clients | 800.0 | 900.0 | 6,000 |  | 80.0 | 115.0 | 85.0 |" in rows


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
