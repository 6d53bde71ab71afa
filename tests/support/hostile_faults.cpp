#include "tests/support/hostile_faults.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

namespace hostile {
namespace {

std::mutex mutex;
std::map<std::string, int> calls;   // since the module was loaded
std::map<std::string, int> faulty;  // since the file changed
std::string last_text;
std::atomic<int> asleep = 0, most = 0;  // of these: since the module was loaded

std::string text_of_file() {
  const char* const path = std::getenv("HOLDFAST_HOSTILE_FILE");
  if (path == nullptr) return {};
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string value_in(const std::string& text, const std::string& name) {
  std::istringstream words(text);
  for (std::string word; words >> word;)
    if (word.starts_with(name + '=')) return word.substr(name.size() + 1);
  return {};
}

// Without "*N"; empty where the N are used up.
std::string limited(const std::string& function, std::string fault) {
  const std::size_t star = fault.find('*');
  if (star == std::string::npos) return fault;
  const int times = std::atoi(fault.c_str() + star + 1);
  fault.resize(star);
  return ++faulty[function] <= times ? fault : std::string();
}

}  // namespace

std::string enter(const std::string& function) {
  std::string fault;
  {
    const std::lock_guard lock(mutex);
    ++calls[function];
    const std::string text = text_of_file();
    if (text != last_text) {
      faulty.clear();
      last_text = text;
    }
    fault = limited(function, value_in(text, function));
    if (const std::string trace = value_in(text, "trace"); !trace.empty())
      std::ofstream(trace, std::ios::app) << function << '\n';
  }
  if (fault == "crash") ::raise(SIGSEGV);
  if (fault == "exit") ::_exit(3);
  while (fault == "hang") ::pause();
  if (fault.starts_with("sleep:")) {
    const int now = ++asleep;
    for (int known = most; known < now && !most.compare_exchange_weak(known, now);) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(std::atoi(fault.c_str() + 6)));
    --asleep;
  }
  return fault;
}

std::optional<unsigned long> code_of(const std::string& fault) {
  if (!fault.starts_with("rv:")) return std::nullopt;
  return std::strtoul(fault.c_str() + 3, nullptr, 0);
}

std::string setting(const std::string& name) {
  const std::lock_guard lock(mutex);
  return value_in(text_of_file(), name);
}

int most_asleep() {
  return most;
}

int calls_of(const std::string& function) {
  const std::lock_guard lock(mutex);
  const auto found = calls.find(function);
  return found != calls.end() ? found->second : 0;
}

}  // namespace hostile
