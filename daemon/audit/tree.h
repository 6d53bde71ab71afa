// The Merkle tree of the log: RFC 6962 §2.1 hashes, kept in the tiles of C2SP tlog-tiles
// (https://c2sp.org/tlog-tiles): 256 hashes of one level a tile, levels eight apart.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/openssl.h"

namespace holdfast::audit {

inline constexpr std::size_t kTileWidth = 256;
inline constexpr std::size_t kTileBytes = kTileWidth * sizeof(Sha256);

Sha256 leaf_hash(std::string_view leaf);                    // SHA-256(0x00 ‖ leaf)
Sha256 node_hash(const Sha256& left, const Sha256& right);  // SHA-256(0x01 ‖ left ‖ right)
Sha256 salted_hash(ByteView salt, std::string_view text);   // SHA-256(salt ‖ text)

// A full tile: the hashes of the 256 complete subtrees of 256^level leaves from index·256^(level+1)
// on.
struct Tile {
  unsigned level = 0;
  std::uint64_t index = 0;
  std::string hashes;  // kTileBytes

  std::string path() const { return path(level, index); }
  static std::string path(unsigned level, std::uint64_t index);  // "tile/0/x001/234"
  std::uint64_t end() const {
    return (index + 1) << (8 * (level + 1));
  }                     // leaves up to its right edge
  Sha256 root() const;  // of its subtree
};

// The right edge of the tree; what is left of it are tiles. Not thread-safe.
class Tree {
 public:
  // Adds a complete subtree of 2^level leaves; the size has to be a multiple of that.
  void push(const Sha256& hash, unsigned level = 0);

  std::uint64_t size() const { return size_; }
  Sha256 root() const;

  // The tiles that were filled since the last call, lower levels first.
  std::vector<Tile> take_filled();

 private:
  void add_to_tile(unsigned level, const Sha256& hash);

  std::uint64_t size_ = 0;
  std::array<Sha256, 64> complete_;      // [i]: the subtree of 2^i leaves, where size_ has bit i
  std::array<std::string, 8> unfilled_;  // [i]: the open tile of level i
  std::vector<Tile> filled_;
};

}  // namespace holdfast::audit
