"""The figures as a table, and held against the aims."""


def _row(name, result):
    cpu = result.get("cpu_us", {})
    parts = " ".join(f"{part} {cpu[part]}" for part in ("core", "device", "swtpm") if part in cpu)
    return f"| {name} | {result['p50_us']} | {result['p99_us']} | {result.get('rate', '')} | {parts} |"


def table(figures):
    lines = ["| what | p50 µs | p99 µs | per second | CPU µs a signature |", "|---|---|---|---|---|"]
    for part in ("floors", "sigv4", "device", "ssh_agent"):
        lines += [_row(f"{part}: {name}", result) for name, result in figures.get(part, {}).items()
                  if isinstance(result, dict) and "p50_us" in result]  # fmt: skip
    if "botocore" in figures:
        lines.append(_row("botocore in its own process", figures["botocore"]))
    for kind, results in figures.get("growth", {}).items():
        lines += [_row(f"growth: {count} {kind}", result) for count, result in results.items()]
    return "\n".join(lines) + "\n"


def _aim(text, measured, good):
    return f"| {text} | {measured} | {'met' if good else 'MISSED'} |"


def aims(figures):
    """The issue's bars, each with what was measured. Ratios hold within this run only."""
    lines = ["| aim | measured | |", "|---|---|---|"]
    floors, sigv4, device = (figures.get(part) for part in ("floors", "sigv4", "device"))
    if floors and sigv4:
        one, floor = sigv4["1 one core"], floors["a one core"]["p50_us"]
        lines.append(_aim("SigV4 on one core: p50 ≤ ping-pong + 15 µs", f"{one['p50_us']} against {floor} + 15", one["p50_us"] <= floor + 15))
        lines.append(_aim("core's CPU ≤ 25 µs a signature", one["cpu_us"]["core"], one["cpu_us"]["core"] <= 25))
        eight = max(sigv4["8 one core"]["rate"], sigv4["8 two cores"]["rate"])
        lines.append(_aim("≥ 40,000/s with eight connections", eight, eight >= 40_000))
        idle = sigv4["resident_mib_idle"]
        lines.append(_aim("core ≤ 20 MiB, device ≤ 12 MiB idle", f"{idle['core']}, {idle['device']}", idle["core"] <= 20 and idle["device"] <= 12))
    if floors and device:
        direct = device["direct two cores"]
        for n in (8, 64):
            share = device[f"{n} clients"]["rate"] / direct["rate"]
            lines.append(_aim(f"{n} clients ≥ 95 % of the direct loop's rate", f"{share:.3f}", share >= 0.95))
        limit = direct["p50_us"] + 1.5 * floors["a2 two cores"]["p50_us"]
        p50 = device["1 clients"]["p50_us"]
        lines.append(_aim("one client ≤ direct + 1.5 × relay", f"{p50} against {limit:.1f}", p50 <= limit))
        share = device["64 clients"]["slowest_share"]
        lines.append(_aim("the slowest of 64 ≥ 0.8 of the mean", share, share >= 0.8))
    if "starts" in figures:
        lines.append(_aim("start to first signature ≤ 300 ms", figures["starts"]["median_ms"], figures["starts"]["median_ms"] <= 300))
    if "growth" in figures:
        keys = figures["growth"]["keys"]
        counts = sorted(keys, key=int)
        ratio = keys[counts[-1]]["p50_us"] / keys[counts[0]]["p50_us"]
        lines.append(_aim(f"{counts[-1]} keys and grants change p50 by less than 10 %", f"{ratio:.3f}", ratio < 1.1))
    return "\n".join(lines) + "\n"
