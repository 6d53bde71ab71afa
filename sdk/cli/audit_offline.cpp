#include "sdk/cli/audit_offline.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "daemon/audit/export.h"
#include "daemon/audit/proof.h"
#include "daemon/audit/reader.h"
#include "daemon/audit/who.h"
#include "daemon/base/posix.h"
#include "sdk/cli/client.h"
#include "sdk/cli/configuration.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kMostKeyBytes = 64 * 1024;

struct Options {
  std::string from, config, what, target;
  std::vector<std::string> keys, checkpoints;
  std::uint64_t seq = 0;
  bool tlog = false, device = false;
};

std::string read(const std::string& path, std::size_t limit) {
  try {
    return read_file(path, limit);
  } catch (const Error& error) {
    throw Failure(Exit::usage, path + ": " + error.detail());
  }
}

std::string log_folder(const Options& options) {
  const std::string place = options.from.empty() ? audit_folder(options.config) : options.from;
  if (::access(place.c_str(), R_OK) != 0 && errno == EACCES)
    throw Failure(Exit::failed, place + ": " + std::strerror(EACCES),
                  "the log is readable by the daemon's user alone: use sudo");
  return options.from.empty() || std::filesystem::is_directory(place)
             ? place
             : std::filesystem::path(place).parent_path().string();
}

audit::VerifyOptions verify_options(const Options& options, const Context& context) {
  audit::VerifyOptions result;
  if (options.device && options.keys.empty())
    throw Failure(Exit::usage, "--device needs --key: a counter counts beside a signature alone",
                  "`holdfast key show NAME --pem` writes the key");
  for (const std::string& path : options.keys) try {
      result.keys.push_back(audit::read_public_key(read(path, kMostKeyBytes)));
    } catch (const Error& error) {
      throw Failure(Exit::usage, path + " " + error.detail(),
                    "`holdfast key show NAME --pem` writes one");
    }
  for (const std::string& path : options.checkpoints)
    result.saved.push_back(read(path, audit::kMostNoteBytes));
  if (options.device)
    result.anchor = Client::admin(context.socket)
                        .get("/v1/audit/anchor")
                        .object()
                        .at("value")
                        .to_number<std::uint64_t>();
  return result;
}

// A long log takes its time: a line that is overwritten, on a terminal alone.
audit::Progress progress() {
  if (::isatty(STDERR_FILENO) == 0) return {};
  return [](std::uint64_t done, std::uint64_t expected) {
    std::cerr << "\r" << done << " of " << expected << " records" << (done >= expected ? "\n" : "")
              << std::flush;
  };
}

void verify(const Options& options, Context& context) {
  const std::string folder = log_folder(options);
  const audit::Verdict verdict =
      audit::verify(folder, verify_options(options, context), progress());
  if (!verdict.good) context.exit_code = static_cast<int>(Exit::failed);
  if (context.json) {
    json::array faults;
    for (const std::string& fault : verdict.faults) faults.emplace_back(fault);
    return print(json::serialize(json::object{{"good", verdict.good},
                                              {"size", verdict.state.size},
                                              {"root", verdict.state.root},
                                              {"signed_size", verdict.signed_size},
                                              {"details_checked", verdict.details_checked},
                                              {"details_pruned", verdict.details_pruned},
                                              {"details_lost", verdict.details_lost},
                                              {"horizon", verdict.horizon},
                                              {"faults", std::move(faults)}}));
  }
  for (const std::string& fault : verdict.faults) print("fault: " + printable(fault));
  print(std::string(verdict.good ? "good" : "BAD") + ": " + std::to_string(verdict.state.size) +
        " records in " + folder);
  print("root " + verdict.state.root);
  print(std::to_string(verdict.details_checked) + " details checked, " +
        std::to_string(verdict.details_pruned) + " pruned, " +
        std::to_string(verdict.details_lost) + " lost");
  print(printable(verdict.horizon));
  if (!verdict.good)
    note("keep a copy of the folder before anything else; compare it with your backups");
}

// The one that is given, else the log's last.
std::string checkpoint_note(const Options& options, const std::string& folder) {
  if (!options.checkpoints.empty()) return read(options.checkpoints.front(), audit::kMostNoteBytes);
  try {
    return read_file(folder + "/checkpoint", audit::kMostNoteBytes);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    throw Failure(Exit::failed, "the log has no signed checkpoint",
                  "set [audit] signing_key; the first is signed within a minute");
  }
}

void prove(const Options& options, const Context& context) {
  const std::string folder = log_folder(options);
  const audit::Proof proof = audit::prove(folder, options.seq, checkpoint_note(options, folder));
  if (options.tlog) {
    std::cout << audit::to_tlog_proof(proof) << std::flush;
    return;
  }
  const audit::LogState& state = proof.checkpoint.checkpoint.state;
  json::array hashes;
  for (const Sha256& hash : proof.hashes) hashes.emplace_back(to_base64(hash));
  if (context.json)
    return print(json::serialize(json::object{{"leaf", proof.leaf},
                                              {"index", proof.index},
                                              {"size", state.size},
                                              {"root", state.root},
                                              {"hashes", std::move(hashes)},
                                              {"checkpoint", proof.note}}));
  print("record  " + proof.leaf);
  print("index   " + std::to_string(proof.index) + " of " + std::to_string(state.size));
  for (const json::value& hash : hashes) print("hash    " + std::string(hash.as_string()));
  print("root    " + state.root);
  print("\n" + proof.note.substr(0, proof.note.size() - 1));
}

void who(const Options& options, Context& context) {
  const audit::Sought sought = audit::read_sought(options.what);
  if (sought.digests.empty() && sought.jti.empty())
    throw Failure(Exit::usage, "that is no signature, token, jti or digest",
                  "give it in hex or base64, or the whole token or Authorization header");
  bool found = false;
  audit::find_records(
      log_folder(options), sought,
      [&](const json::object& record) {
        found = true;
        print_record(record, context.json);
        if (context.json) return;
        const json::value* details = record.if_contains("details");
        if (details != nullptr && field(details->as_object(), "grant") != "-")
          print("  grant  " + field(details->as_object(), "grant"));
        print("  policy " + field(record, "policy_digest"));
      },
      progress());
  if (found) return;
  note("no record has it: holdfast did not make it, or another log has its record");
  context.exit_code = static_cast<int>(Exit::failed);
}

void write_export(const Options& options) {
  const std::string folder = log_folder(options);
  const std::string note = checkpoint_note(options, folder);
  try {
    std::filesystem::create_directories(options.target);
    if (::access(options.target.c_str(), W_OK | X_OK) != 0)
      throw std::filesystem::filesystem_error("access", options.target,
                                              std::error_code(errno, std::generic_category()));
    audit::export_log(folder, note, options.target);
  } catch (const std::filesystem::filesystem_error& error) {
    throw Failure(Exit::failed,
                  "can't write " + error.path1().string() + ": " + error.code().message(),
                  "name a folder that you can write to, and all below it if it has an export");
  }
  print(options.target + " has checkpoint, tile/ and tile/entries/");
}

void add_place(CLI::App& command, Options& options) {
  command
      .add_option("--from", options.from,
                  "The log's folder (default: audit in the configuration's state_dir)")
      ->type_name("FOLDER");
  command
      .add_option("--config", options.config,
                  "Configuration (default: $HOLDFAST_CONFIG, then /etc/holdfast/holdfast.toml)")
      ->type_name("PATH");
}

}  // namespace

void add_audit_offline_commands(CLI::App& audit, Context& context) {
  auto options = std::make_shared<Options>();

  CLI::App* verify_command = audit.add_subcommand(
      "verify", "Check the stored log, without the daemon; exits 1 if it is bad");
  add_place(*verify_command, *options);
  verify_command
      ->add_option("--key", options->keys,
                   "Public key of the checkpoints, PEM; again for each one after a rotation")
      ->type_name("FILE");
  verify_command
      ->add_option("--checkpoint", options->checkpoints,
                   "A checkpoint that was kept elsewhere: shows a rollback and a fork")
      ->type_name("FILE");
  verify_command->add_flag("--device", options->device,
                           "Ask the daemon for its device's counter: shows a rollback, too");
  verify_command->footer(
      "Examples:\n  holdfast audit verify --key audit-log.pem --checkpoint saved-checkpoint\n"
      "  holdfast audit verify --from /backup/holdfast/audit");
  verify_command->callback([options, &context] { verify(*options, context); });

  CLI::App* proof = audit.add_subcommand(
      "proof", "That a record is in the log: its line, hashes up to the root, signed checkpoint");
  proof->add_option("SEQ", options->seq, "The record's number, audit_seq of the reply")->required();
  add_place(*proof, *options);
  proof
      ->add_option("--checkpoint", options->checkpoints,
                   "Prove it for this checkpoint (default: the log's last)")
      ->type_name("FILE")
      ->expected(1);
  proof->add_flag("--tlog-proof", options->tlog,
                  "As c2sp.org/tlog-proof, the record as extra data");
  proof->footer("Example:\n  holdfast audit proof 4711 --tlog-proof > 4711.tlog-proof");
  proof->callback([options, &context] { prove(*options, context); });

  CLI::App* who_command = audit.add_subcommand(
      "who", "Who had a signature or token made, and under which policy; exits 1 if nobody");
  who_command
      ->add_option("WHAT", options->what,
                   "Signature or digest (hex, base64), token, jti, Authorization header or URL")
      ->required();
  add_place(*who_command, *options);
  who_command->footer(
      "Example:\n  holdfast audit who 'AWS4-HMAC-SHA256 Credential=…, Signature=…'");
  who_command->callback([options, &context] { who(*options, context); });

  CLI::App* export_command = audit.add_subcommand(
      "export", "Write the log as static files of c2sp.org/tlog-tiles, without details");
  export_command->add_option("FOLDER", options->target, "May hold an earlier export")->required();
  add_place(*export_command, *options);
  export_command->footer("Example:\n  holdfast audit export /srv/www/holdfast");
  export_command->callback([options] { write_export(*options); });
}

}  // namespace holdfast::cli
