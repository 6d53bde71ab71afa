#include "daemon/audit/tree.h"

#include <cstdio>

namespace holdfast::audit {

Sha256 leaf_hash(std::string_view leaf) {
  static constexpr std::uint8_t prefix[] = {0x00};
  return sha256({prefix, as_bytes(leaf)});
}

Sha256 node_hash(const Sha256& left, const Sha256& right) {
  static constexpr std::uint8_t prefix[] = {0x01};
  return sha256({prefix, left, right});
}

Sha256 salted_hash(ByteView salt, std::string_view text) {
  return sha256({salt, as_bytes(text)});
}

std::string Tile::path(unsigned level, std::uint64_t index) {
  char part[8];
  std::snprintf(part, sizeof part, "%03u", static_cast<unsigned>(index % 1000));
  std::string path = part;
  while (index >= 1000) {
    index /= 1000;
    std::snprintf(part, sizeof part, "x%03u/", static_cast<unsigned>(index % 1000));
    path.insert(0, part);
  }
  return "tile/" + std::to_string(level) + "/" + path;
}

Sha256 Tile::root() const {
  Tree tree;
  for (std::size_t at = 0; at < hashes.size(); at += sizeof(Sha256)) {
    Sha256 hash;
    std::copy_n(hashes.begin() + static_cast<std::ptrdiff_t>(at), hash.size(), hash.begin());
    tree.push(hash);
  }
  return tree.root();
}

void Tree::push(const Sha256& hash, unsigned level) {
  Sha256 subtree = hash;
  unsigned at = level;
  if (at % 8 == 0) add_to_tile(at / 8, subtree);
  while ((size_ >> at & 1) != 0) {
    subtree = node_hash(complete_[at], subtree);
    if (++at % 8 == 0) add_to_tile(at / 8, subtree);
  }
  complete_[at] = subtree;
  size_ += std::uint64_t{1} << level;
}

void Tree::add_to_tile(unsigned level, const Sha256& hash) {
  std::string& tile = unfilled_.at(level);
  tile.append(as_text(hash));
  if (tile.size() < kTileBytes) return;
  Tile& filled = filled_.emplace_back();
  filled.level = level;
  filled.index = size_ >> (8 * (level + 1));
  filled.hashes.swap(tile);
}

Sha256 Tree::root() const {
  if (size_ == 0) return sha256(std::string_view());  // RFC 6962 §2.1: the hash of an empty list
  bool started = false;
  Sha256 root{};
  for (unsigned at = 0; at < complete_.size(); ++at) {
    if ((size_ >> at & 1) == 0) continue;
    root = started ? node_hash(complete_[at], root) : complete_[at];
    started = true;
  }
  return root;
}

std::vector<Tile> Tree::take_filled() {
  return std::exchange(filled_, {});
}

}  // namespace holdfast::audit
