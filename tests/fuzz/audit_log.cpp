// The audit log's folder, of any files. The readers answer or say that they can't; a log that opens is good
// with the next record in it.
#include <algorithm>
#include <array>
#include <filesystem>

#include "daemon/audit/lines.h"
#include "daemon/audit/log.h"
#include "daemon/audit/reader.h"
#include "daemon/audit/tree.h"
#include "daemon/base/log.h"
#include "tests/fuzz/folder.h"
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

using namespace holdfast::audit;

// A number of the list, a length and so many bytes, again and again.
void write_files(Input& input, const Folder& folder) {
  static const std::array<std::string, 6> files = {
      "head",
      segment_path("", "leaves", 0).substr(1),
      segment_path("", "details", 0).substr(1),
      Tile::path(0, 0),
      segment_path("", "leaves", kSegmentLeaves).substr(1),
      segment_path("", "details", kSegmentLeaves).substr(1)};
  while (!input.empty()) {
    const std::string path = "audit/" + files[input.byte() % files.size()];
    std::filesystem::create_directories(std::filesystem::path(folder / path).parent_path());
    folder.write(path, as_text(input.sized()));
  }
}

Record record() {
  Record made;
  made.time = SystemTime(std::chrono::seconds(1'767'225'600));
  made.operation = "sign.digest";
  made.code = "ok";
  made.allowed = true;
  return made;
}

constexpr auto kAnswer = {ErrorKind::audit_unavailable};

void judge(const std::string& folder) {
  bool good = false;
  std::uint64_t size = 0;
  answers(kAnswer, [&] {
    const Verdict verdict = verify(folder);
    check(verdict.good == verdict.faults.empty() && !verdict.horizon.empty(), "a verdict says why");
    good = verdict.good;
    size = verdict.state.size;
  });
  std::size_t records = 0;
  const bool readable = answers(kAnswer, [&] { records = read(folder, -1, 100).size(); });
  check(!good || !readable || records == std::min<std::size_t>(size, 100),
        "a good log reads whole");
  answers(kAnswer, [&] { audit::count(folder); });
  answers(kAnswer, [&] { last_time(folder); });

  LogState state;
  const bool opened = answers(kAnswer, [&] {
    const auto log = Log::open(folder, false);
    check(!good || log->state().size == size, "a good log opens as it is");
    const Record one = record();
    log->append({&one, 1});
    log->store_head();
    state = log->state();
  });
  check(opened || !good, "a good log opens");
  if (!opened) return;
  // Details that a checkpoint covers are not hashed again at each start: they may have been altered.
  const Verdict verdict = verify(folder);
  check(std::ranges::all_of(verdict.faults,
                            [](const std::string& fault) {
                              return fault.starts_with("details/") &&
                                     fault.ends_with("the hash that the record says");
                            }),
        "a log that opens goes on as a good one");
  check(verdict.state.size == state.size && verdict.state.root == state.root,
        "it has the same root for a reader");
}

}  // namespace
}  // namespace holdfast::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  static const fuzz::Folder folder;
  static const bool quiet = (log::start("fuzz", log::Level::error), true);
  (void)quiet;
  std::filesystem::remove_all(folder / "audit");
  std::filesystem::create_directory(folder / "audit");
  fuzz::Input input(data, size);
  fuzz::write_files(input, folder);
  fuzz::judge(folder / "audit");
  return 0;
}
