// The plain driver of a fuzz target: runs the files of a corpus, then mutations of them, the same for the
// same seed and corpus. libFuzzer's driver takes its place where HOLDFAST_FUZZ is on.
#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int* argc, char*** argv);

namespace {

constexpr std::size_t kMostBytes = 64 * 1024;
constexpr char kFailed[] = "fuzz-failed-input";

std::string under_way;

extern "C" void keep_input(int signal) {
  const int fd = ::open(kFailed, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd >= 0 && ::write(fd, under_way.data(), under_way.size()) >= 0)
    ::dprintf(STDERR_FILENO, "the input is in %s\n", kFailed);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

void run(std::string input) {
  under_way = std::move(input);
  // A copy of its own size, so that a sanitizer sees what is read behind the end.
  const std::vector<std::uint8_t> data(under_way.begin(), under_way.end());
  LLVMFuzzerTestOneInput(data.data(), data.size());
}

class Mutator {
 public:
  Mutator(const std::vector<std::string>& corpus, std::uint64_t seed)
      : corpus_(corpus), engine_(seed) {}

  std::string next() {
    std::string text = any();
    for (std::size_t edits = 1 + below(6); edits > 0; --edits) edit(text);
    if (text.size() > kMostBytes) text.resize(kMostBytes);
    return text;
  }

 private:
  // Not a distribution of <random>: those differ between libraries.
  std::size_t below(std::size_t n) { return n == 0 ? 0 : engine_() % n; }
  const std::string& any() { return corpus_[below(corpus_.size())]; }
  std::string piece(const std::string& text) {
    const std::size_t at = below(text.size() + 1);
    return text.substr(at, below(std::min<std::size_t>(text.size() - at, 64) + 1));
  }

  void edit(std::string& text) {
    const std::size_t at = below(text.size() + 1);
    const std::size_t left = text.size() - at;
    switch (below(8)) {
      case 0:
        if (left != 0) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 1:
        if (left != 0) text[at] = static_cast<char>(below(256));
        break;
      case 2:
        text.insert(at, 1, static_cast<char>(below(256)));
        break;
      case 3:
        text.erase(at, 1 + below(std::min<std::size_t>(left, 16)));
        break;
      case 4:
        text.insert(at, piece(text));
        break;
      case 5:
        text.insert(at, piece(any()));
        break;
      case 6:
        text.resize(at);
        break;
      default:
        for (std::size_t i = at; i < std::min(at + 4, text.size()); ++i)
          text[i] = "\0\xff\x7f\x80"[below(4)];
    }
  }

  const std::vector<std::string>& corpus_;
  std::mt19937_64 engine_;
};

std::vector<std::string> read_corpus(const std::vector<std::filesystem::path>& paths) {
  std::vector<std::filesystem::path> files;
  for (const auto& path : paths)
    if (std::filesystem::is_directory(path))
      for (const auto& entry : std::filesystem::directory_iterator(path))
        files.push_back(entry.path());
    else
      files.push_back(path);
  std::ranges::sort(files);
  std::vector<std::string> corpus;
  for (const auto& file : files) {
    std::ifstream stream(file, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  }
  return corpus;
}

bool take_number(std::string_view argument, std::string_view name, std::uint64_t& value) {
  if (!argument.starts_with(name)) return false;
  argument.remove_prefix(name.size());
  const char* end = argument.data() + argument.size();
  return std::from_chars(argument.data(), end, value).ptr == end;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t mutations = 0, seed = 1;
  std::vector<std::filesystem::path> paths;
  for (int i = 1; i < argc; ++i)
    if (!take_number(argv[i], "-mutations=", mutations) && !take_number(argv[i], "-seed=", seed))
      paths.emplace_back(argv[i]);
  const std::vector<std::string> corpus =
      paths.empty() ? std::vector<std::string>{} : read_corpus(paths);
  if (corpus.empty()) {
    std::fprintf(stderr, "Usage: %s [-mutations=N] [-seed=N] FILE-OR-FOLDER…\n", argv[0]);
    return 2;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS, SIGILL}) ::signal(signal, keep_input);
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);
  run({});
  for (const std::string& input : corpus) run(input);
  Mutator mutator(corpus, seed);
  for (std::uint64_t i = 0; i < mutations; ++i) run(mutator.next());
  std::printf("%zu files and %llu mutations\n", corpus.size(),
              static_cast<unsigned long long>(mutations));
}
