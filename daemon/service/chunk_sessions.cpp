#include "daemon/service/chunk_sessions.h"

#include <algorithm>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"

namespace holdfast {

std::size_t ChunkSession::bytes() const {
  std::size_t bytes = sizeof *this + version.object.size();
  for (const Fact& fact : facts.all())
    bytes += sizeof fact + fact.name.capacity() + fact.value.capacity();
  return bytes;
}

std::string ChunkSessions::open(ChunkSession session) {
  std::erase_if(sessions_, [&](const auto& entry) {
    return session.begun - entry.second->begun >= kLifetime;
  });
  if (count(session.account) >= kOfAccount) evict(session.account);
  while (!sessions_.empty() && (sessions_.size() >= kLimit || bytes() + session.bytes() > kBytes))
    evict(account_with_most());
  std::string name = to_base64url(random_bytes(16));
  sessions_.emplace(name, std::make_shared<ChunkSession>(std::move(session)));
  return name;
}

std::shared_ptr<ChunkSession> ChunkSessions::find(const std::string& name, std::uint64_t account,
                                                  SteadyTime now) {
  const auto at = sessions_.find(name);
  if (at == sessions_.end() || at->second->account != account) return nullptr;
  if (now - at->second->begun < kLifetime) return at->second;
  sessions_.erase(at);
  return nullptr;
}

std::size_t ChunkSessions::bytes() const {
  std::size_t bytes = 0;
  for (const auto& [name, session] : sessions_) bytes += session->bytes();
  return bytes;
}

std::size_t ChunkSessions::count(std::uint64_t account) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      sessions_, [&](const auto& entry) { return entry.second->account == account; }));
}

std::uint64_t ChunkSessions::account_with_most() const {
  std::unordered_map<std::uint64_t, std::size_t> kept;
  for (const auto& [name, session] : sessions_) kept[session->account] += session->bytes();
  return std::ranges::max_element(kept, {}, [](const auto& one) { return one.second; })->first;
}

void ChunkSessions::evict(std::uint64_t account) {
  auto oldest = sessions_.end();
  for (auto at = sessions_.begin(); at != sessions_.end(); ++at)
    if (at->second->account == account &&
        (oldest == sessions_.end() || at->second->opening < oldest->second->opening))
      oldest = at;
  sessions_.erase(oldest);
}

void Chunk::resume(std::shared_ptr<ChunkSession> session) {
  session_ = std::move(session);
  if (!session_ || session_->under_way) return;
  session_->under_way = true;
  own_.reset(session_.get());
}

ChunkSession& Chunk::own() const {
  if (!own_)
    throw Error(ErrorKind::conflict,
                "another chunk of this session is being signed: ask for one after the other");
  return *own_;
}

const std::string& Chunk::key() const {
  static const std::string none;
  return session_ ? session_->key : none;
}

Facts Chunk::take_facts() const {
  Facts facts;
  if (!session_) return facts;
  // In front, where a record that has no room for all facts keeps them.
  facts.add("session", std::to_string(session_->opening));
  session_->chain.add_facts(request_, facts);
  for (const Fact& fact : session_->facts.all()) facts.add(fact.name, fact.value);
  return facts;
}

}  // namespace holdfast
