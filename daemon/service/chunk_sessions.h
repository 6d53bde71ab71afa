// Uploads in signed chunks that are under way: in memory, for an hour at most, and only for the account that
// began them.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/facts.h"
#include "daemon/format/sigv4_chunk.h"
#include "daemon/key/key.h"

namespace holdfast {

struct ChunkSession {
  std::uint64_t account = 0;  // Caller::account of who began it
  std::string key;
  KeyVersion version;  // whose secret the first signature is of, and so all
  std::string scope;
  std::vector<Bytes> derivation;  // as Sigv4Bytes has it
  Facts facts;                    // of the opening request, as policy judged them
  std::chrono::seconds skew{0};
  std::uint64_t opening = 0;  // the sequence number of its record
  format::ChunkChain chain;
  SteadyTime begun;
  bool under_way = false;  // a chunk is being signed

  std::size_t bytes() const;  // that it keeps, about
};

class ChunkSessions {
 public:
  static constexpr std::size_t kOfAccount = 16;
  static constexpr std::size_t kLimit = 1024;
  // The facts are as long as the opening request makes them, up to several times its 64 KiB.
  static constexpr std::size_t kBytes = 4 * 1024 * 1024;
  static constexpr std::chrono::hours kLifetime{1};

  // Its name. Where its account has too many the account's oldest gives way; where all are too many
  // or too large, the oldest of the account that has most bytes.
  std::string open(ChunkSession session);
  // nullptr where there is none of this name and account.
  std::shared_ptr<ChunkSession> find(const std::string& name, std::uint64_t account,
                                     SteadyTime now);
  void close(const std::string& name) { sessions_.erase(name); }
  std::size_t size() const { return sessions_.size(); }
  std::size_t bytes() const;

 private:
  std::size_t count(std::uint64_t account) const;
  std::uint64_t account_with_most() const;
  void evict(std::uint64_t account);

  std::unordered_map<std::string, std::shared_ptr<ChunkSession>> sessions_;
};

// A chunk that is asked for. While it lives no other is signed of its session.
class Chunk {
 public:
  explicit Chunk(format::ChunkRequest request) : request_(std::move(request)) {}

  void resume(std::shared_ptr<ChunkSession> session);

  const format::ChunkRequest& request() const { return request_; }
  const ChunkSession* session() const { return session_.get(); }  // nullptr: there is none
  // To sign with. Throws Error{conflict} where another chunk has it.
  ChunkSession& own() const;

  const std::string& key() const;  // empty without a session
  // The opening request's, and behind session (its record) what is asked now.
  Facts take_facts() const;

 private:
  struct Leave {
    void operator()(ChunkSession* session) const { session->under_way = false; }
  };

  format::ChunkRequest request_;
  std::shared_ptr<ChunkSession> session_;
  std::unique_ptr<ChunkSession, Leave> own_;
};

}  // namespace holdfast
