"""Random grants, random requests for tokens, and a model of the rules of our own that says what has to come out.

The model is of sdk/API.md and docs/configuration.md, not of the code. HOLDFAST_SEED repeats a run.
"""

import copy
import json
import os
import random
import re
import subprocess
import time

import pytest

from holdfast_testing import jws
from holdfast_testing.daemon import Daemon
from holdfast_testing.jose import Jose
from holdfast_testing.tokens import jwks

SEED = int(os.environ.get("HOLDFAST_SEED") or random.SystemRandom().randrange(1 << 32))
CASES, GRANT_SETS = 600, 6
UID = os.geteuid()
REGISTERED = {"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

NAMES = ["role", "scope", "tenant", "admin", "a.b", "https://claims.example/x", "ünï", "n", "list", "deep"]
TEXTS = ["reader", "writer", "acme", "a/b", "a*", "*", "true", "null", "12", "[]", "{}", '"x"', "", " ", "\u0000", "\u2028\u2029", "\u00e9", "e\u0301",
         "\U0001f511", "\U0010ffff", "\ufeff", "\ufffe\uffff", "\ud7ff\ue000", "\x7f\x80", "\u202e", "\\u0041", '"\\/\b\f\n\r\t', "</script>", "reader\n"]  # fmt: skip
INTEGERS = [0, 1, -1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), -(2**53) - 1, 1000000000000000001]
DOUBLES = [0.1, 1e-7, 1.7976931348623157e308, 5e-324, 2.2250738585072014e-308, 1 / 3, 0.30000000000000004, 1.0000000000000002, 123456789.12345679, 9007199254740993.0,
           1e21, 1e22, -1.5, 4.35, 6.02214076e23, 1.0, -0.0, 3.141592653589793, 1e-5, 100000.5]  # fmt: skip
# As no serialiser would write them: the value is what counts.
SPELLED = {"1E0": 1.0, "1.10": 1.1, "1e+2": 100.0, "0.1e1": 1.0, "12345678901234567890.5": 12345678901234567890.5,
           "17.00000000000000000000000000000000001": 17.0, "1e20": 1e20, "2.2250738585072011e-308": 2.2250738585072011e-308, "179769313486231570e291": 1.7976931348623157e308}  # fmt: skip

AUDIENCES = ["https://api.example.com", "https://b.example.com", "https://api.example.com/v1/x", "https://evil.example", "urn:x", "ünï"]
ISSUERS = ["https://id.example.com", "https://id.example.com/t", "https://evil.example"]
SUBJECTS = ["orders", f"uid-{UID}", "root", "orders-1"]
TYPS = ["JWT", "at+jwt", "x"]
PATTERNS = ["reader", "writer", "acme", "*", "**", "a*", "*r", "[*", "true", "1*", "*é*", '"true"', "\"*", "null", "0"]


class Spelled(float):
    """A number with a spelling of its own."""


def value(rng, depth=0):
    kind = rng.random()
    if depth < 4 and kind < 0.12:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if depth < 4 and kind < 0.22:
        return {rng.choice(NAMES + TEXTS): value(rng, depth + 1) for _ in range(rng.randrange(4))}
    if kind < 0.3:
        return rng.choice([True, False, None])
    if kind < 0.45:
        return rng.choice(INTEGERS) if rng.random() < 0.7 else rng.randrange(-(2**63), 2**64)
    if kind < 0.6:
        while True:
            number = rng.choice(DOUBLES) if rng.random() < 0.6 else float.fromhex(f"{rng.choice('+-')}0x1.{rng.randrange(1 << 52):013x}p{rng.randrange(-1022, 1024)}")
            if number == number:
                return number
    if kind < 0.75:
        return "".join(chr(rng.choice([rng.randrange(0x80), rng.randrange(0x80, 0xD800), rng.randrange(0xE000, 0x110000)])) for _ in range(rng.randrange(12)))
    return rng.choice(TEXTS)


def nested(rng, depth):
    """`depth` levels, the outermost counted."""
    inner = value(rng, 4)
    for _ in range(depth):
        inner = [inner] if rng.random() < 0.5 else {rng.choice(NAMES): inner}
    return inner


def depth_of(thing):
    if isinstance(thing, dict):
        return 1 + max(map(depth_of, thing.values()), default=0)
    if isinstance(thing, list):
        return 1 + max(map(depth_of, thing), default=0)
    return 0


# Grants.


def grant(rng, number):
    facts, forced = {}, {}
    for name, choices in (("audience", ["https://**", "https://*.example.com", "**", "urn:*", "https://api.example.com"]),
                          ("issuer", ["https://id.example.com", "https://id.example.com/*", "**"]), ("subject", ["orders", "orders-*", "uid-*"]),
                          ("typ", ["JWT", "at+jwt", "**"])):  # fmt: skip
        if rng.random() < 0.3:
            facts[name] = rng.sample(choices, rng.choice([1, 1, 2]))
    for name in rng.sample(NAMES[:6], rng.randrange(4)):
        facts["claim." + name] = False if rng.random() < 0.35 else rng.sample(PATTERNS, rng.choice([1, 2, 3]))
    if rng.random() < 0.75:
        facts["claim.*"] = False if rng.random() < 0.1 else ["**"] if rng.random() < 0.8 else rng.sample(PATTERNS, 2)
    # What is forced and named at once is for the unit tests; here a name is one or the other.
    for name, choices in (("issuer", ISSUERS), ("subject", ["orders", "uid-{uid}"]), ("claim.tenant", ["acme", "true", "t-{uid}"]), ("claim.n", ["12", "n"])):
        if name not in facts and rng.random() < 0.3:
            forced[name] = rng.choice(choices)
    if rng.random() < 0.4:
        forced["backdate"] = rng.choice(["1s", "30s", "1h"])
    return {"name": f"grant-{number}", "key": f"key-{number}", "facts": facts, "set": forced, "ttl": rng.choice([None, "1s", "5m", "2h", "2h"])}


def toml(grants):
    def shown(thing):
        return str(thing).lower() if isinstance(thing, bool) else json.dumps(thing, ensure_ascii=False)

    text = ""
    for one in grants:
        text += f'[[grant]]\nname = "{one["name"]}"\nkey = "{one["key"]}"\ncaller = {{ uid = {UID} }}\n'
        for table in ("facts", "set"):
            if one[table]:
                text += table + " = { " + ", ".join(f"{json.dumps(name, ensure_ascii=False)} = {shown(held)}" for name, held in one[table].items()) + " }\n"
        text += f'limits = {{ ttl = "{one["ttl"]}" }}\n' if one["ttl"] else ""
    return text


# Requests.


def fitting(rng, patterns):
    """Something that one of the patterns matches, if not a thing at all."""
    text = rng.choice(patterns)
    return value(rng) if text == "**" else text.replace("*", rng.choice(["", "x", "1"]))


def request(rng, one):
    facts, forced, claims = one["facts"], one["set"], {}
    body = {"key": one["key"], "ttl": rng.choice([1, 1, 1, 300, 301, 3600])}
    body["audience"] = rng.choice(AUDIENCES[:3]) if rng.random() < 0.6 else rng.sample(AUDIENCES, rng.choice([1, 2, 3]))
    for name, choices in (("issuer", ISSUERS), ("subject", SUBJECTS), ("typ", TYPS)):
        if rng.random() < (0.85 if name in facts else 0.1):
            body[name] = rng.choice(choices)
    # Mostly what the grant talks about, so that both outcomes are common.
    named = [name[6:] for name, held in facts.items() if name.startswith("claim.") and name != "claim.*"]
    for name in named:
        if facts["claim." + name] is not False and rng.random() < 0.9:
            claims[name] = fitting(rng, facts["claim." + name]) if rng.random() < 0.8 else value(rng)
    for _ in range(rng.choice([0, 1, 2, 3, 5]) if facts.get("claim.*") else rng.choice([0, 0, 0, 1])):
        name = rng.choice(NAMES) if rng.random() < 0.9 else rng.choice([text for text in TEXTS if text])
        if name not in named or rng.random() < 0.1:
            claims[name] = fitting(rng, facts["claim.*"]) if facts.get("claim.*") and rng.random() < 0.6 else value(rng)
    for name, held in forced.items():  # what is forced is given too, rightly or nearly
        if name == "backdate":
            continue
        filled = held.replace("{uid}", str(UID))
        near = rng.choice([filled] * 6 + [[filled], filled + " ", None, json.dumps(filled)])
        if name.startswith("claim."):
            claims.pop(name[6:], None)
            if rng.random() < 0.5:
                claims[name[6:]] = near
        elif rng.random() < 0.5 and isinstance(near, str):
            body[name] = near
    if rng.random() < 0.05:
        claims["deep"] = nested(rng, rng.choice([3, 14, 15, 16, 17, 24]))
    if rng.random() < 0.04:
        name = rng.choice(sorted(REGISTERED))
        claims[rng.choice([name, name.upper(), name.title(), name.replace("s", "\u017f"), name + "\0"])] = rng.choice(["x", 1])
    if rng.random() < 0.02:
        claims.update((f"many{number}", number) for number in range(70))
    if claims or rng.random() < 0.3:
        body["claims"] = claims
    return body


def spell(rng, body):
    """The body's bytes; some numbers spelled oddly, and the body with what they mean."""
    body = copy.deepcopy(body)
    spellings = {}
    claims = body.get("claims", {})
    for name in list(claims):
        if isinstance(claims[name], float) and rng.random() < 0.5:
            text = rng.choice(list(SPELLED))
            claims[name] = SPELLED[text]
            spellings[name] = text
    marked = copy.deepcopy(body)
    for name, text in spellings.items():
        marked["claims"][name] = f"@@{text}@@"
    data = json.dumps(marked, ensure_ascii=rng.random() < 0.5)
    return re.sub(r'"@@(.*?)@@"', r"\1", data).encode(), body


# The model.


def pattern(text, kind):
    within = "[^/]*" if kind == "uri" else ".*"
    return "".join(".*" if part == "**" else within if part == "*" else re.escape(part) for part in re.split(r"(\*\*?)", text))


def is_no_name(name):
    """Of a claim: registered in the eyes of some verifier (Go's folds case and the long s, one in C ends it at a NUL)."""
    return name.split("\0")[0].lower().replace("\u017f", "s") in REGISTERED or not 1 <= len(name.encode()) <= 128


def matches(patterns, text, kind="plain"):
    return any(re.fullmatch(pattern(one, kind), text, re.DOTALL) for one in patterns)


def is_json_of_no_plain_text(text):
    """Would this text, read as JSON, be a value? Then its fact is its JSON, so that it can't pass for that value."""
    try:
        json.loads(text, parse_constant=lambda _: 1 / 0)
        return True
    except (ValueError, ZeroDivisionError, RecursionError):
        return False


def text_facts(held):
    """The facts of a claim; None where a number makes the text one that only the daemon's spelling decides."""
    if isinstance(held, list) and held:
        parts = [text_facts(item) if not isinstance(item, list) else whole(item) for item in held]
        return None if None in parts else [fact for part in parts for fact in part]
    return whole(held)


def whole(held):
    if isinstance(held, str):
        return [json.dumps(held, ensure_ascii=False) if is_json_of_no_plain_text(held) else held]
    if isinstance(held, bool) or held is None or (isinstance(held, int) and not isinstance(held, bool)):
        return [json.dumps(held)]
    return None  # doubles, lists within lists, objects: matched by stars alone, below


def claim_fits(patterns, held):
    if patterns is False:
        return False
    facts = text_facts(held)
    if facts is not None:
        return all(matches(patterns, fact) for fact in facts)
    if "**" in patterns or "*" in patterns:
        return True
    return None  # undecided: the generator's patterns may or may not match the JSON's spelling


def verdict(one, body):
    """("ok" | "denied" | "malformed" | None, payload without times and jti); None where the model has no say."""
    claims = body.get("claims", {})
    if any(map(is_no_name, claims)) or len(claims) > 64 or depth_of(claims) > 16:
        return "malformed", None
    facts, forced = one["facts"], {name: held.replace("{uid}", str(UID)) for name, held in one["set"].items() if name != "backdate"}
    answers = []
    audience = body["audience"]
    audiences = audience if isinstance(audience, list) else [audience]
    answers.append("audience" not in facts or all(matches(facts["audience"], item, "uri") for item in audiences))
    for name, kind, closed in (("issuer", "uri", False), ("subject", "plain", False), ("typ", "plain", True)):
        if name in forced:
            answers.append(body.get(name, forced[name]) == forced[name])
        elif name in facts:
            answers.append(name in body and matches(facts[name], body[name], kind))
        elif closed:
            answers.append(name not in body)
    for name in [fact[6:] for fact, held in facts.items() if fact.startswith("claim.") and fact != "claim.*" and held is not False]:
        answers.append(name in claims)
    for name, held in claims.items():
        rule = facts.get("claim." + name, facts.get("claim.*"))
        if "claim." + name in forced:
            # A list of nothing but the forced text may be taken for it; the token has the text.
            answers.append(None if held == [forced["claim." + name]] else held == forced["claim." + name])
            if rule is not None:  # forced, and bound by the wildcard as well
                answers.append(claim_fits(rule, held) or None)
        elif rule is None:
            answers.append(False)
        else:
            answers.append(claim_fits(rule, held))
    limit = {None: 3600, "1s": 1, "5m": 300, "2h": 7200}[one["ttl"]]
    answers.append(body["ttl"] <= limit)
    if False in answers:
        return "denied", None
    payload = dict(claims, aud=audience)
    for name, short in (("issuer", "iss"), ("subject", "sub")):
        if name in body or name in forced:
            payload[short] = forced.get(name, body.get(name))
    payload.update((name[6:], held) for name, held in forced.items() if name.startswith("claim."))
    return (None if None in answers else "ok"), payload


def same(a, b):
    """Equal, types of JSON told apart, numbers by value."""
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


# Two other readers of what was signed.

PERL = r"""
use strict; use warnings; use B; use JSON::PP; use MIME::Base64; use Math::BigInt; use Math::BigFloat; $| = 1;
my $json = JSON::PP->new->utf8->allow_nonref->canonical->allow_bignum->max_depth(100);
# Numbers as they stand there: integers of any size, decimals with every digit.
sub show {
  my $v = shift;
  return 'null' unless defined $v;
  return $v ? 'true' : 'false' if JSON::PP::is_bool($v);
  return '[' . join(',', map { show($_) } @$v) . ']' if ref $v eq 'ARRAY';
  return '{' . join(',', map { $json->encode($_) . ':' . show($v->{$_}) } sort keys %$v) . '}' if ref $v eq 'HASH';
  return $v->bsstr if ref $v eq 'Math::BigFloat';
  return $v->bstr if ref $v eq 'Math::BigInt';
  return B::svref_2object(\$v)->FLAGS & B::SVp_POK() ? $json->encode($v) : "$v";
}
while (my $line = <STDIN>) { print show($json->decode(decode_base64($line))), "\n"; }
"""


class Perl:
    def __init__(self):
        self.process = subprocess.Popen(["perl", "-e", PERL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)

    def read(self, payload):
        self.process.stdin.write(jws.base64.b64encode(payload) + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def rounded(thing):
    """As JavaScript has it: every number a double."""
    if isinstance(thing, dict):
        return {name: rounded(held) for name, held in thing.items()}
    if isinstance(thing, list):
        return [rounded(item) for item in thing]
    return float(thing) if isinstance(thing, int) and not isinstance(thing, bool) else thing


@pytest.fixture(scope="module")
def readers():
    jose, perl = Jose(), Perl()
    yield jose, perl
    jose.close()
    perl.close()


def judge(one, body, reply, keys, readers):
    """Why this reply is wrong; empty if it is not."""
    wanted, payload = verdict(one, body)
    if reply.status != 200:
        code = reply.code
        if wanted == "malformed":
            return "" if code == "invalid_request" else f"{code} for what is malformed"
        if wanted == "denied" or wanted is None:
            return "" if code == "not_permitted" else f"{code} for what is denied"
        return f"refused with {code}, though the grant allows it"
    if wanted in ("denied", "malformed"):
        return f"allowed, though {wanted}"
    token = reply.json["token"]
    _, raw = jws.verify(token, keys)
    content = jws.read_json(raw)
    for name in [name for name, held in one["facts"].items() if held is False and name != "claim.*"]:
        if name[6:] in content and name not in one["set"]:
            return f"{name} is denied, and there"
    times = {name: content.pop(name) for name in ("iat", "nbf", "exp", "jti")}
    backdate = {"1s": 1, "30s": 30, "1h": 3600}.get(one["set"].get("backdate"), 0)
    if times["iat"] != times["nbf"] or times["exp"] - times["iat"] != body["ttl"] + backdate or abs(times["exp"] - body["ttl"] - time.time()) > 5:
        return f"times are wrong: {times}"
    if not same(content, payload):
        return f"payload is {content}, wanted {payload}"
    jose, perl = readers
    there = {**content, **times}
    if not same(perl.read(raw), there):
        return f"Perl's JSON::PP reads {perl.read(raw)}, Python {there}"
    by_jose = jose.check(token, keys, currentDate=times["iat"])
    if "error" in by_jose or not same(rounded(by_jose["payload"]), rounded(there)):
        return f"jose reads {by_jose}, Python {there}"
    return ""


def test_random_claims_and_grants(folder, swtpm, readers):
    print(f"HOLDFAST_SEED={SEED}")
    rng = random.Random(SEED)
    outcomes = {}
    with Daemon(os.path.join(folder, "property"), swtpm.tcti, "") as daemon:
        for number in range(8):
            daemon.create_key(f"key-{number}", "ec-p256", "jwt")
        for _ in range(GRANT_SETS):
            grants = [grant(rng, number) for number in range(8)]
            daemon.write_policy(toml(grants))
            assert daemon.reload().status == 200, (daemon.reload(), toml(grants))
            keys = jwks(daemon)
            with daemon.client() as client:
                for _ in range(CASES // GRANT_SETS):
                    one = rng.choice(grants)
                    tries = [spell(rng, request(rng, one)) for _ in range(rng.choice([1, 4]))]
                    data, body = next((made for made in tries if verdict(one, made[1])[0] == "ok"), tries[0])
                    reply = client.request("POST", "/v1/token/jwt", data)
                    fault = judge(one, body, reply, keys, readers)
                    assert not fault, f"HOLDFAST_SEED={SEED}: {fault}\n{toml([one])}\n{data.decode()}\n{reply}"
                    outcome = reply.code if verdict(one, body)[0] else f"{reply.code}, undecided"
                    outcomes[outcome] = outcomes.get(outcome, 0) + 1
    print(outcomes)
    assert outcomes["ok"] >= CASES // 8 and outcomes["not_permitted"] >= CASES // 8 and outcomes["invalid_request"] >= CASES // 50


def test_every_odd_value_comes_back(folder, swtpm, readers):
    """Not left to chance: each value of the lists above, alone and as a name."""
    one = {"name": "all", "key": "key-0", "facts": {"claim.*": ["**"]}, "set": {}, "ttl": None}
    with Daemon(os.path.join(folder, "odd"), swtpm.tcti, toml([one])) as daemon:
        daemon.create_key("key-0", "ec-p256", "jwt")
        keys = jwks(daemon)
        with daemon.client() as client:
            deep = nested(random.Random(1), 15)
            for held in TEXTS + INTEGERS + DOUBLES + [deep, [[]], {}, [], [None], {"": ""}]:
                for ascii_only in (True, False):
                    body = {"key": "key-0", "audience": "a", "ttl": 60, "claims": {"c": held}}
                    if isinstance(held, str) and held and not is_no_name(held):
                        body["claims"][held + "x"] = {held: [held]}
                    elif isinstance(held, str):
                        body["claims"]["d"] = {held: [held]}
                    reply = client.request("POST", "/v1/token/jwt", json.dumps(body, ensure_ascii=ascii_only).encode())
                    assert reply.status == 200, (held, reply)
                    assert judge(one, body, reply, keys, readers) == "", held
            for text, number in SPELLED.items():
                body = {"key": "key-0", "audience": "a", "ttl": 60, "claims": {"c": number}}
                reply = client.request("POST", "/v1/token/jwt", json.dumps(body).replace(json.dumps(number), text).encode())
                assert judge(one, body, reply, keys, readers) == "", text
            for bad in (b'"\\ud800"', b'"\\udbff\\udbff"', b'"\\udc00"', b'{"\\udfff":1}', b"1e309", b"-1e309", b"18446744073709551616", b"-9223372036854775809",
                        b"100000000000000000000", b"Infinity", b"nan", b"1.", b".5", b"+1", b"0x1", b"'a'", b'"\xc0\x80"', b'"\xf4\x90\x80\x80"', b'"\t"', b"[1,]"):  # fmt: skip
                reply = client.request("POST", "/v1/token/jwt", b'{"key":"key-0","audience":"a","ttl":60,"claims":{"c":%s}}' % bad)
                assert reply.code == "invalid_request", (bad, reply)
