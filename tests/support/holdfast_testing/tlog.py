"""A second verifier of the log's proofs and checkpoints, from RFC 6962 and 9162 and the C2SP specifications alone."""

import base64
import hashlib
import os

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def leaf_hash(leaf):
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def tree_hash(hashes_):
    """RFC 6962 §2.1, of leaf hashes."""
    if not hashes_:
        return hashlib.sha256().digest()
    if len(hashes_) == 1:
        return hashes_[0]
    k = 1
    while 2 * k < len(hashes_):
        k *= 2
    return node_hash(tree_hash(hashes_[:k]), tree_hash(hashes_[k:]))


def root_from_proof(leaf, index, size, proof):
    """RFC 6962 §2.1.1 read backwards: which siblings stand to the left follows from index and size alone."""
    if size == 1:
        assert not proof
        return leaf
    k = 1
    while 2 * k < size:
        k *= 2
    *inner, sibling = proof
    if index < k:
        return node_hash(root_from_proof(leaf, index, k, inner), sibling)
    return node_hash(sibling, root_from_proof(leaf, index - k, size - k, inner))


class Checkpoint:
    """c2sp.org/tlog-checkpoint in a c2sp.org/signed-note, signed with ECDSA P-256 (type 0x02)."""

    def __init__(self, note, public_key_pem):
        text, _, signatures = note.rpartition("\n\n")
        self.text = text + "\n"
        self.origin, size, root, *extensions = text.split("\n")
        self.size, self.root = int(size), base64.b64decode(root, validate=True)
        self.extensions = dict(line.split(" ", 1) for line in extensions)
        assert str(self.size) == size and len(self.root) == 32
        key = serialization.load_pem_public_key(public_key_pem.encode())
        spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        verified = 0
        assert signatures.endswith("\n")
        for line in signatures[:-1].split("\n"):
            dash, name, blob = line.split(" ")
            assert dash == "\u2014"
            blob = base64.b64decode(blob, validate=True)
            if name == self.origin and blob[:4] == hashlib.sha256(spki).digest()[:4]:
                key.verify(blob[4:], self.text.encode(), ec.ECDSA(hashes.SHA256()))  # throws
                verified += 1
        assert verified, "no signature of the log's key"


def check_tlog_proof(text, public_key_pem):
    """c2sp.org/tlog-proof with the leaf as extra data; returns leaf and checkpoint."""
    head, _, note = text.partition("\n\n")
    first, extra, index, *proof = head.split("\n")
    assert first == "c2sp.org/tlog-proof@v1" and extra.startswith("extra ") and index.startswith("index ")
    leaf = base64.b64decode(extra[6:], validate=True)
    checkpoint = Checkpoint(note, public_key_pem)
    proof = [base64.b64decode(line, validate=True) for line in proof]
    assert root_from_proof(leaf_hash(leaf), int(index[6:]), checkpoint.size, proof) == checkpoint.root
    return leaf, checkpoint


def tile_path(level, index):
    parts = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        parts.insert(0, f"x{index % 1000:03}")
    return os.path.join("tile", str(level), *parts)


class Site:
    """A log's static files (c2sp.org/tlog-tiles), read as a client that trusts nothing but the key."""

    def __init__(self, folder, public_key_pem):
        self.folder = folder
        self.checkpoint = Checkpoint(self.read("checkpoint").decode(), public_key_pem)

    def read(self, name):
        with open(os.path.join(self.folder, name), "rb") as file:
            return file.read()

    def tiles(self, level):
        """All hashes of a level, from full tiles and the partial one that the size requires."""
        count, found = self.checkpoint.size // 256**level, []
        for index in range((count + 255) // 256):
            width = min(256, count - 256 * index)
            tile = self.read(tile_path(level, index) + ("" if width == 256 else f".p/{width}"))
            assert len(tile) == 32 * width
            found += [tile[at : at + 32] for at in range(0, len(tile), 32)]
        return found

    def entries(self):
        found = []
        for index in range((self.checkpoint.size + 255) // 256):
            width = min(256, self.checkpoint.size - 256 * index)
            bundle = self.read(tile_path("entries", index) + ("" if width == 256 else f".p/{width}"))
            for _ in range(width):
                length = int.from_bytes(bundle[:2], "big")
                found.append(bundle[2 : 2 + length])
                bundle = bundle[2 + length :]
            assert not bundle
        return found

    def verify(self):
        entries = self.entries()
        leaves = [leaf_hash(entry) for entry in entries]
        assert self.tiles(0) == leaves
        assert tree_hash(leaves) == self.checkpoint.root
        level, below = 1, leaves
        while len(below) >= 256:
            above = [tree_hash(below[at : at + 256]) for at in range(0, len(below) - 255, 256)]
            assert self.tiles(level) == above
            level, below = level + 1, above
        return entries
