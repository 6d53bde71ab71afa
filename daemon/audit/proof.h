// Proofs from the stored tree (RFC 6962 §2.1): what its tiles and last records give, at any size up to the log's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/audit/checkpoint.h"
#include "daemon/audit/tree.h"

namespace holdfast::audit {

// The first `size` records. Reads what it needs, as it is: a changed tile gives another root. A tile that ends behind
// them is not read: a power cut may have left it of records that it took. Throws Error{audit_unavailable} where a file
// that the size needs is missing.
class StoredTree {
 public:
  StoredTree(std::string folder, std::uint64_t size) : folder_(std::move(folder)), size_(size) {}

  Sha256 root() { return hash_of(0, size_); }
  // RFC 6962 §2.1.1, index < size.
  std::vector<Sha256> inclusion(std::uint64_t index);
  // The hash of the 2^level leaves from index·2^level on.
  Sha256 subtree(unsigned level, std::uint64_t index);

 private:
  Sha256 hash_of(std::uint64_t begin, std::uint64_t end);
  std::optional<Sha256> from_tile(unsigned level, std::uint64_t index);
  Sha256 from_leaf(std::uint64_t index);

  const std::string folder_;
  const std::uint64_t size_;
  std::string tile_path_, tile_;        // the last one read
  std::uint64_t segment_ = UINT64_MAX;  // whose leaves these are
  std::vector<Sha256> leaves_;
};

// Do the files give this root of so many first records? Throws as StoredTree does.
bool has(const std::string& folder, const LogState& state);

// RFC 9162 §2.1.3.2.
bool is_included(const Sha256& leaf, std::uint64_t index, std::uint64_t size,
                 const std::vector<Sha256>& proof, const Sha256& root);

struct Proof {
  std::uint64_t index = 0;
  std::string leaf;  // the record's line
  std::vector<Sha256> hashes;
  SignedCheckpoint checkpoint;
  std::string note;  // the checkpoint as stored
};

// That the record is in the log that the checkpoint `note` describes; it was checked before it is returned. Throws
// Error{not_found} where the checkpoint does not cover the record, Error{audit_unavailable} where the files don't
// give the proof.
Proof prove(const std::string& folder, std::uint64_t seq, const std::string& note);

// https://c2sp.org/tlog-proof; the leaf as extra data.
std::string to_tlog_proof(const Proof& proof);

}  // namespace holdfast::audit
