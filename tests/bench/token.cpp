#include "tests/bench/token.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <iostream>
#include <latch>
#include <stdexcept>
#include <thread>

#include "daemon/base/posix.h"
#include "pkcs11/attributes.h"
#include "pkcs11/handles.h"
#include "pkcs11/login.h"
#include "pkcs11/token.h"

namespace holdfast::bench {
namespace {

constexpr int kWarmUp = 20;  // signatures that do not count

template <class Value>
void put(int fd, const Value* values, std::size_t count) {
  write_all(fd, {reinterpret_cast<const char*>(values), count * sizeof *values}, "bench");
}
template <class Value>
void get(int fd, Value* values, std::size_t count) {
  const std::size_t size = count * sizeof *values;
  if (size != 0 && ::recv(fd, values, size, MSG_WAITALL) != static_cast<ssize_t>(size))
    throw std::runtime_error("a process that signs has failed");
}

double processor_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Secret pin_of(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) throw std::runtime_error("no PIN in " + path);
  return Secret(as_bytes(line));
}

CK_OBJECT_HANDLE find_key(const CK_FUNCTION_LIST& functions, CK_SESSION_HANDLE session,
                          const std::string& label) {
  const CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;
  const ByteView class_bytes(reinterpret_cast<const std::uint8_t*>(&object_class),
                             sizeof object_class);
  const auto found = pkcs11::find_objects(
      functions, session,
      {pkcs11::attribute(CKA_CLASS, class_bytes), pkcs11::attribute(CKA_LABEL, as_bytes(label))});
  if (found.size() != 1) throw std::runtime_error("not one key is called " + label);
  return found.front();
}

void sign(const CK_FUNCTION_LIST& functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
          std::array<CK_BYTE, 32>& digest) {
  CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
  std::array<CK_BYTE, 64> signature{};
  CK_ULONG size = signature.size();
  ++digest[0];
  pkcs11::check_rv("C_SignInit", functions.C_SignInit(session, &mechanism, key));
  pkcs11::check_rv(
      "C_Sign", functions.C_Sign(session, digest.data(), digest.size(), signature.data(), &size));
}

// One process's part: says that it is ready, waits for the word, and sends its samples.
void take_part(const TokenLoop& loop, double seconds, int parent) {
  const pkcs11::Token token = pkcs11::find_token(pkcs11::Module::load(loop.module), loop.uri);
  const CK_FUNCTION_LIST& functions = token.functions();
  pkcs11::Login login(token, pin_of(loop.pin_file), std::make_shared<const PinMark>(), "bench");
  const pkcs11::Session first(functions, token.slot, CKF_RW_SESSION);
  login.log_in(first.get());
  const CK_OBJECT_HANDLE key = find_key(functions, first.get(), loop.key);

  std::vector<Samples> samples(loop.threads);
  std::latch ready(loop.threads), go(1);
  const auto work = [&](Samples& own) {
    const pkcs11::Session session(functions, token.slot, CKF_RW_SESSION);
    std::array<CK_BYTE, 32> digest{};
    for (int i = 0; i < kWarmUp; ++i) sign(functions, session.get(), key, digest);
    ready.count_down();
    go.wait();
    auto now = Clock::now();
    const auto end = now + std::chrono::duration<double>(seconds);
    while (now < end) {
      sign(functions, session.get(), key, digest);
      const auto then = Clock::now();
      own.add(then - now);
      now = then;
    }
  };
  std::vector<std::jthread> threads;
  for (Samples& own : samples) threads.emplace_back(work, std::ref(own));
  ready.wait();
  char word = 0;
  put(parent, &word, 1);
  get(parent, &word, 1);
  const double before = processor_seconds();
  go.count_down();
  threads.clear();
  const double used = processor_seconds() - before;
  put(parent, &used, 1);
  for (const Samples& own : samples) {
    const std::uint64_t count = own.nanoseconds.size();
    put(parent, &count, 1);
    put(parent, own.nanoseconds.data(), count);
  }
}

struct Process {
  pid_t pid;
  UniqueFd link;
};

Process start(const TokenLoop& loop, double seconds) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw_errno(ErrorKind::internal, "socketpair");
  UniqueFd ours(ends[0]), its(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) throw_errno(ErrorKind::internal, "fork");
  if (pid != 0) return {pid, std::move(ours)};
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ours.reset();
  int status = 0;
  try {
    take_part(loop, seconds, its.get());
  } catch (const std::exception& error) {
    std::cerr << "bench: " << error.what() << std::endl;
    status = 1;
  }
  ::_exit(status);
}

}  // namespace

Samples sign_on_token(const TokenLoop& loop, double seconds) {
  std::vector<Process> processes;
  char word = 0;
  // One after the other: SoftHSM fails when several processes log in at once.
  for (unsigned i = 0; i < loop.processes; ++i) {
    processes.push_back(start(loop, seconds));
    get(processes.back().link.get(), &word, 1);
  }
  for (const Process& process : processes) put(process.link.get(), &word, 1);
  Samples all;
  all.seconds = seconds;
  for (const Process& process : processes) {
    double used = 0;
    get(process.link.get(), &used, 1);
    all.processor_seconds += used;
    for (unsigned i = 0; i < loop.threads; ++i) {
      std::uint64_t count = 0;
      get(process.link.get(), &count, 1);
      const std::size_t before = all.nanoseconds.size();
      all.nanoseconds.resize(before + count);
      get(process.link.get(), all.nanoseconds.data() + before, count);
      all.of_each_connection.push_back(count);
    }
    ::waitpid(process.pid, nullptr, 0);
  }
  return all;
}

}  // namespace holdfast::bench
