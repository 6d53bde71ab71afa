#include "daemon/audit/proof.h"

#include <algorithm>
#include <bit>

#include "daemon/audit/lines.h"
#include "daemon/base/error.h"
#include "daemon/base/posix.h"

namespace holdfast::audit {
namespace {

// The largest power of two below n (RFC 6962 §2.1), n > 1.
std::uint64_t split_of(std::uint64_t n) {
  return std::bit_floor(n - 1);
}

std::string leaf_of(const std::string& folder, std::uint64_t seq) {
  const std::uint64_t first = seq / kSegmentLeaves * kSegmentLeaves;
  LineReader leaves(segment_path(folder, "leaves", first));
  std::optional<std::string_view> line;
  for (std::uint64_t at = first; at <= seq; ++at) line = leaves.next();
  if (!line || !is_leaf(*line, seq))
    throw Error(ErrorKind::audit_unavailable, "the record " + std::to_string(seq) +
                                                  " can't be read: run `holdfast audit verify`");
  return std::string(*line);
}

}  // namespace

Sha256 StoredTree::hash_of(std::uint64_t begin, std::uint64_t end) {
  const std::uint64_t n = end - begin;
  if (n == 0) return sha256(std::string_view());
  if (std::has_single_bit(n)) return subtree(static_cast<unsigned>(std::countr_zero(n)), begin / n);
  const std::uint64_t middle = begin + split_of(n);
  return node_hash(hash_of(begin, middle), hash_of(middle, end));
}

Sha256 StoredTree::subtree(unsigned level, std::uint64_t index) {
  if (level % 8 == 0)
    if (const auto hash = from_tile(level / 8, index)) return *hash;
  if (level == 0) return from_leaf(index);
  return node_hash(subtree(level - 1, 2 * index), subtree(level - 1, 2 * index + 1));
}

std::optional<Sha256> StoredTree::from_tile(unsigned level, std::uint64_t index) {
  const std::uint64_t full_tiles = (size_ >> 8 * level) / kTileWidth;
  if (index / kTileWidth >= full_tiles) return std::nullopt;
  const std::string path = Tile::path(level, index / kTileWidth);
  if (path != tile_path_) {
    tile_path_ = path;
    try {
      tile_ = read_file(folder_ + "/" + path, kTileBytes);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::not_found) throw;
      tile_.clear();
    }
  }
  if (tile_.size() != kTileBytes) return std::nullopt;
  Sha256 hash;
  std::copy_n(tile_.begin() + static_cast<std::ptrdiff_t>(index % kTileWidth * sizeof hash),
              sizeof hash, hash.begin());
  return hash;
}

// Only of the last, open tile, so of one segment.
Sha256 StoredTree::from_leaf(std::uint64_t index) {
  const std::uint64_t first = index / kSegmentLeaves * kSegmentLeaves;
  if (segment_ != first) {
    segment_ = first;
    leaves_.clear();
    LineReader leaves(segment_path(folder_, "leaves", first));
    while (const auto line = leaves.next()) leaves_.push_back(leaf_hash(*line));
  }
  if (index - first >= leaves_.size())
    throw Error(ErrorKind::audit_unavailable,
                "the record " + std::to_string(index) + " is missing: run `holdfast audit verify`");
  return leaves_[index - first];
}

std::vector<Sha256> StoredTree::inclusion(std::uint64_t index) {
  std::vector<Sha256> proof;
  std::uint64_t begin = 0, end = size_;
  while (end - begin > 1) {
    const std::uint64_t middle = begin + split_of(end - begin);
    proof.push_back(index < middle ? hash_of(middle, end) : hash_of(begin, middle));
    (index < middle ? end : begin) = middle;
  }
  std::ranges::reverse(proof);
  return proof;
}

bool has(const std::string& folder, const LogState& state) {
  return to_base64(StoredTree(folder, state.size).root()) == state.root;
}

bool is_included(const Sha256& leaf, std::uint64_t index, std::uint64_t size,
                 const std::vector<Sha256>& proof, const Sha256& root) {
  if (index >= size) return false;
  std::uint64_t node = index, last = size - 1;
  Sha256 hash = leaf;
  for (const Sha256& sibling : proof) {
    if (last == 0) return false;
    if ((node & 1) != 0 || node == last) {
      hash = node_hash(sibling, hash);
      while ((node & 1) == 0 && node != 0) node >>= 1, last >>= 1;
    } else {
      hash = node_hash(hash, sibling);
    }
    node >>= 1, last >>= 1;
  }
  return last == 0 && hash == root;
}

Proof prove(const std::string& folder, std::uint64_t seq, const std::string& note) {
  auto checkpoint = parse_checkpoint(note);
  if (!checkpoint) throw Error(ErrorKind::audit_unavailable, "the checkpoint is damaged");
  const LogState& state = checkpoint->checkpoint.state;
  if (seq >= state.size)
    throw Error(ErrorKind::not_found, "the checkpoint covers " + std::to_string(state.size) +
                                          " records, not yet number " + std::to_string(seq));
  StoredTree tree(folder, state.size);
  Proof proof{seq, leaf_of(folder, seq), tree.inclusion(seq), *checkpoint, note};
  const auto root = from_base64(state.root);
  Sha256 expected;
  std::ranges::copy(*root, expected.begin());
  if (!is_included(leaf_hash(proof.leaf), seq, state.size, proof.hashes, expected))
    throw Error(ErrorKind::audit_unavailable,
                "the files do not give the checkpoint's root: run `holdfast audit verify`");
  return proof;
}

std::string to_tlog_proof(const Proof& proof) {
  std::string text = "c2sp.org/tlog-proof@v1\nextra " + to_base64(as_bytes(proof.leaf)) +
                     "\nindex " + std::to_string(proof.index) + "\n";
  for (const Sha256& hash : proof.hashes) text += to_base64(hash) + "\n";
  return text + "\n" + proof.note;
}

}  // namespace holdfast::audit
