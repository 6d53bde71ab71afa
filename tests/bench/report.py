"""The figures as tables, and held against the aims."""

CPU = ("core", "device", "swtpm")


def _number(value):
    if value == "":
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def _row(name, place, result):
    cpu = result.get("cpu_us", {})
    figures = [result["p50_us"], result["p99_us"], result.get("rate", ""), *(cpu.get(part, "") for part in CPU)]
    return f"| {name} | {place} | " + " | ".join(map(_number, figures)) + " |"


HEAD = ["| what | placement | p50 µs | p99 µs | per second | CPU µs a signature: core | device | swtpm |", "|---|---|---:|---:|---:|---:|---:|---:|"]


def _named(results, names):
    """Rows of those that were measured; a key is a name and, of most, a placement."""
    lines = []
    for key, result in results.items():
        if not isinstance(result, dict) or "p50_us" not in result:
            continue
        place = next(place for place in ("one core", "two cores", "TPM apart") if key.endswith(place))
        kind = key.removesuffix(place).strip()
        lines.append(_row(names(kind), place, result))
    return lines


def _callers(kind):
    return "1 caller" if kind.split()[0] == "1" else f"{kind.split()[0]} callers"


def rates(figures):
    """Latency, rate and CPU time of everything but growth."""
    floors = figures.get("floors", {})
    sizes = f"{floors.get('request_bytes')} bytes there, {floors.get('reply_bytes')} back"
    rows = HEAD[:]
    rows += _named(floors, lambda kind: {"a": f"Unix socket, {sizes}", "a2": "the same, relayed through three processes"}[kind])
    rows += _named(figures.get("sigv4", {}), lambda kind: f"SigV4, {_callers(kind)}")
    direct = "ECDSA P-256 on the TPM, ESAPI alone"
    rows += _named(figures.get("device", {}), lambda kind: direct if kind == "direct" else f"ECDSA P-256 through the daemon, {_callers(kind)}")
    rows += _named(figures.get("durable", {}), lambda kind: f'SigV4, `durability = "fsync"`, {_callers(kind)}')
    rows += _named(figures.get("ssh_agent", {}), lambda kind: "ssh-agent, ECDSA P-256")
    if "botocore" in figures:
        rows.append(_row("SigV4 by botocore, in its own process", "", figures["botocore"]))
    return rows


HSM = {"direct": "SoftHSM alone", "p11-kit": "`p11-kit server`", "always": "daemon", "sampled": 'daemon, `verify = "sampled"`',
       "slow": "slow HSM through the daemon"}  # fmt: skip


def _clients(kind, count):
    noun = "thread" if kind == "direct" else "client"
    return f"{count} {noun}" + ("" if count == "1" else "s")


def _added(hsm, key):
    """CPU time of core and device for a signature, less that of as many threads that sign without them."""
    result, alone = hsm[key], hsm["direct 1" if key.endswith(" 1") else "direct 8"]
    return result["cpu_us"]["core"] + result["cpu_us"]["device"] - alone["cpu_us"]["loop"]


def hsm(figures):
    """The same key by each way; where the slow HSM is asked, its key is another."""
    measured = figures.get("hsm")
    if not measured:
        return []
    rows = ["| ECDSA P-256 | asked by | p50 µs | p99 µs | per second | CPU µs a signature: caller | core | device | added |",
            "|---|---|---:|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    for key, result in measured.items():
        if not isinstance(result, dict):
            continue
        kind, count = key.split()
        cpu = [result["cpu_us"].get(part, "") for part in ("loop", "core", "device")]
        added = round(_added(measured, key), 1) if kind in ("always", "sampled") else ""
        rows.append(f"| {HSM[kind]} | {_clients(kind, count)} | " + " | ".join(map(_number, (result["p50_us"], result["p99_us"], result["rate"], *cpu, added))) + " |")
    return rows


def memory(figures):
    if "sigv4" not in figures:
        return []
    idle, load = figures["sigv4"]["resident_mib_idle"], figures["sigv4"]["resident_mib_load"]
    rows = ["| process | RSS idle, MiB | most under load, MiB |", "|---|---:|---:|"]
    return rows + [f"| {name} | {idle[name]} | {load[name]} |" for name in ("supervisor", "core", "caller", "device", "swtpm") if name in idle]


def grown(figures):
    titles = {"keys": "keys and as many grants", "connections": "connections, all but one at rest", "busy": "connections that ask at once"}
    rows = ["| what | p50 µs | p99 µs | per second | core's CPU µs a signature | core's RSS, MiB |", "|---|---:|---:|---:|---:|---:|"]
    for kind, results in figures.get("growth", {}).items():
        for count, result in results.items():
            values = (result["p50_us"], result["p99_us"], result["rate"], result["cpu_us"]["core"], result["resident_mib"])
            rows.append(f"| {int(count):,} {titles[kind]} | " + " | ".join(map(_number, values)) + " |")
    return rows if len(rows) > 2 else []


def _aim(text, measured, good):
    return f"| {text} | {measured} | {'met' if good else 'MISSED'} |"


def _hsm_aims(measured):
    lines = []
    for kind, text, ratio, limit in (("always", "", 1.5, 85), ("sampled", ", sampled,", 2.5, 40)):
        share, added = measured[f"{kind} 8"]["rate"] / measured["p11-kit 8"]["rate"], _added(measured, f"{kind} 8")
        lines.append(_aim(f"HSM: 8 clients{text} ≥ {ratio} × p11-kit server's rate", f"{share:.2f}", share >= ratio))
        lines.append(_aim(f"HSM: 8 clients{text} add CPU ≤ {limit} µs a signature", f"{added:.1f}", added <= limit))
    for n in (8, 64):
        slow = measured[f"slow {n}"]
        share = slow["rate"] / measured["slow_rate"]
        lines.append(_aim(f"slow HSM: {n} clients ≥ 97 % of its possible rate", f"{share:.3f}", share >= 0.97))
        lines.append(_aim(f"slow HSM: the slowest of {n} ≥ 0.8 of the mean", slow["slowest_share"], slow["slowest_share"] >= 0.8))
    return lines


def aims(figures):
    """The bars, each with what was measured. Ratios hold within this run only."""
    lines = ["| aim | measured | |", "|---|---|---|"]
    floors, sigv4, device = (figures.get(part) for part in ("floors", "sigv4", "device"))
    if floors and sigv4:
        one, floor = sigv4["1 one core"], floors["a one core"]["p50_us"]
        lines.append(_aim("SigV4 on one core: p50 ≤ ping-pong + 15 µs", f"{one['p50_us']} against {floor} + 15", one["p50_us"] <= floor + 15))
        lines.append(_aim("core's CPU ≤ 25 µs a signature", one["cpu_us"]["core"], one["cpu_us"]["core"] <= 25))
        eight = max(sigv4["8 one core"]["rate"], sigv4["8 two cores"]["rate"])
        lines.append(_aim("≥ 40,000/s with eight connections", f"{eight:,.0f}", eight >= 40_000))
        idle = sigv4["resident_mib_idle"]
        lines.append(_aim("core ≤ 20 MiB, device ≤ 12 MiB idle", f"{idle['core']}, {idle['device']}", idle["core"] <= 20 and idle["device"] <= 12))
    if floors and device:
        direct = device["direct TPM apart"]
        for n in (8, 64):
            share = device[f"{n} TPM apart"]["rate"] / direct["rate"]
            lines.append(_aim(f"{n} clients ≥ 95 % of the direct loop's rate", f"{share:.3f}", share >= 0.95))
        limit = direct["p50_us"] + 1.5 * floors["a2 one core"]["p50_us"]  # the three processes of the way are on one
        p50 = device["1 TPM apart"]["p50_us"]
        lines.append(_aim("one client ≤ direct + 1.5 × relay", f"{p50} against {limit:.1f}", p50 <= limit))
        share = device["64 TPM apart"]["slowest_share"]
        lines.append(_aim("the slowest of 64 ≥ 0.8 of the mean", share, share >= 0.8))
    if "durable" in figures:
        rate, alone = figures["durable"]["32 two cores"]["rate"], figures["durable"]["fsyncs_per_second"]
        lines.append(_aim('`durability = "fsync"`, 32 clients: ≥ 5,000/s or ≥ 10 × single fsyncs', f"{rate:,.0f} = {rate / alone:.1f} × {alone:,.0f}", rate >= 5000 or rate >= 10 * alone))
    if "hsm" in figures:
        lines += _hsm_aims(figures["hsm"])
    if "decisions" in figures:
        p50 = figures["decisions"]["10000 grants, 1000 keys"]["p50_us"]
        lines.append(_aim("policy of 10,000 grants for 1,000 keys decides in ≤ 5 µs", p50, p50 <= 5))
    if "starts" in figures:
        lines.append(_aim("start to first signature ≤ 300 ms", figures["starts"]["median_ms"], figures["starts"]["median_ms"] <= 300))
    if "growth" in figures:
        keys = figures["growth"]["keys"]
        counts = sorted(keys, key=int)
        ratio = keys[counts[-1]]["p50_us"] / keys[counts[0]]["p50_us"]
        lines.append(_aim(f"{int(counts[-1]):,} keys and grants change p50 by less than 10 %", f"{ratio:.3f}", ratio < 1.1))
    return lines


def tables(figures):
    return "\n\n".join("\n".join(rows) for rows in (rates(figures), hsm(figures), memory(figures), grown(figures), aims(figures)) if rows) + "\n"
