// What libholdfast makes of whatever a socket answers; the first byte says in which pieces it arrives.
#include <holdfast/holdfast.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>

extern "C" {
#include "sdk/c/wire.h"
}
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

struct Answer {
  hf_outcome outcome;
  int status = 0;
  bool keep = false;
  std::string body, request_id, retry_after;
  bool operator==(const Answer&) const = default;
};

// Each packet is what one recv gives.
template <class NextPiece>
Answer exchange(std::string_view reply, NextPiece next_piece) {
  int ends[2];
  check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0,
        "there is a socket");
  while (!reply.empty()) {
    const std::size_t piece = std::min<std::size_t>(next_piece(), reply.size());
    check(::send(ends[1], reply.data(), piece, 0) == static_cast<ssize_t>(piece),
          "a piece fits the socket");
    reply.remove_prefix(piece);
  }
  ::shutdown(ends[1], SHUT_WR);
  char request[] = "GET / HTTP/1.1\r\n\r\n";
  const hf_text sent{request, sizeof request - 1, sizeof request};
  hf_answer answer;
  Answer result{hf_exchange(ends[0], &sent, hf_now_ms() + 5000, &answer), 0, false, {}, {}, {}};
  if (result.outcome == HF_ANSWERED) {
    check(answer.body + answer.body_size <= answer.bytes.size, "the body is in the reply");
    check(answer.status >= 200 && answer.status <= 599, "a status is one");
    result.status = answer.status;
    result.keep = answer.keep;
    result.body.assign(answer.bytes.data + answer.body, answer.body_size);
    result.request_id = answer.request_id;
    result.retry_after = answer.retry_after;
  }
  hf_clear_answer(&answer);
  ::close(ends[0]);
  ::close(ends[1]);
  return result;
}

// One of the decoders: a reply with all its texts, or an error with words.
template <class Reply>
void decode(const Answer& answer,
            holdfast_code (*decoder)(const char*, std::size_t, const char*, Reply**,
                                     holdfast_error**),
            void (*release)(Reply*), const char* (*text)(const Reply*)) {
  Reply* reply = nullptr;
  holdfast_error* error = nullptr;
  const Bytes exactly(answer.body.begin(), answer.body.end());
  const holdfast_code code = decoder(reinterpret_cast<const char*>(exactly.data()), exactly.size(),
                                     answer.request_id.c_str(), &reply, &error);
  check((code == HOLDFAST_OK) == (reply != nullptr) && (code == HOLDFAST_OK) == (error == nullptr),
        "a reply or an error");
  if (reply != nullptr) check(text(reply) != nullptr, "a reply is whole");
  if (error != nullptr)
    check(code == HOLDFAST_BAD_REPLY && holdfast_error_detail(error) != nullptr,
          "a reply that is none is called that");
  release(reply);
  holdfast_error_free(error);
}

void judge(const Answer& answer) {
  if (answer.status >= 300) {
    holdfast_error* error = nullptr;
    const Bytes exactly(answer.body.begin(), answer.body.end());
    const holdfast_code code = holdfast_decode_problem(
        answer.status, reinterpret_cast<const char*>(exactly.data()), exactly.size(),
        answer.request_id.c_str(), answer.retry_after.c_str(), &error);
    check(code != HOLDFAST_OK && error != nullptr && holdfast_error_detail(error) != nullptr,
          "a problem is an error");
    holdfast_error_free(error);
    return;
  }
  decode<holdfast_sigv4_reply>(answer, holdfast_decode_sigv4, holdfast_sigv4_reply_free,
                               [](const holdfast_sigv4_reply* reply) { return reply->url; });
  decode<holdfast_jwt_reply>(answer, holdfast_decode_jwt, holdfast_jwt_reply_free,
                             [](const holdfast_jwt_reply* reply) { return reply->token; });
  decode<holdfast_digest_reply>(answer, holdfast_decode_digest, holdfast_digest_reply_free,
                                [](const holdfast_digest_reply* reply) {
                                  return reinterpret_cast<const char*>(reply->signature);
                                });
}

}  // namespace
}  // namespace holdfast::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  fuzz::Input input(data, size);
  std::minstd_rand pieces(input.byte() + 1U);
  const std::string_view reply = input.rest_text();
  // So many packets as a socket's buffer holds.
  const std::size_t longest = std::max<std::size_t>(97, reply.size() / 32);
  const auto whole = fuzz::exchange(reply, [] { return std::size_t{16384}; });
  const auto split =
      fuzz::exchange(reply, [&] { return 1 + longest / 2 + pieces() % longest / 2; });
  // What follows a reply may or may not have arrived with it.
  fuzz::check(whole.outcome == split.outcome && whole.status == split.status &&
                  whole.body == split.body && whole.request_id == split.request_id &&
                  whole.retry_after == split.retry_after,
              "the pieces change nothing");
  if (whole.outcome == HF_ANSWERED) fuzz::judge(whole);
  return 0;
}
