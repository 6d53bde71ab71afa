// Certificates of keys: `key csr` and `key attach-certificate`.
#include <algorithm>

#include "daemon/base/openssl.h"
#include "sdk/cli/client.h"
#include "sdk/cli/command.h"
#include "sdk/cli/distinguished_name.h"
#include "sdk/cli/file_watch.h"
#include "sdk/cli/key_document.h"
#include "sdk/cli/output.h"
#include "sdk/cli/private_key.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kMaxFile = 64 * 1024 - 1;
constexpr int kRetrySeconds = 10;  // where the daemon could not answer

struct CertificateOptions {
  std::string name, subject, file;
  std::vector<std::string> dns, uris;
  std::int64_t version = 0;
  bool watch = false;
};

void request(const CertificateOptions& options, const Context& context) {
  json::object body{{"subject", read_subject(options.subject)}};
  if (!options.dns.empty()) body["dns"] = json::array(options.dns.begin(), options.dns.end());
  if (!options.uris.empty()) body["uri"] = json::array(options.uris.begin(), options.uris.end());
  if (options.version != 0) body["version"] = options.version;
  const Reply reply = Client::admin(context.socket).post(key_path(options.name) + "/csr", body);
  if (context.json) return print(reply.body);
  std::string pem(reply.object().at("csr_pem").as_string());
  if (pem.ends_with('\n')) pem.pop_back();
  print(pem);
  note("this is for version " + field(reply.object(), "version") +
       "; next: have a CA sign it, then: " + "holdfast key attach-certificate " + options.name +
       " chain.pem");
}

std::string read_chain(const std::string& path) {
  std::string text;
  try {
    text = read_file(path, kMaxFile);
  } catch (const Error& error) {
    throw Failure::from_error(error);
  }
  if (std::ranges::any_of(pem_labels(text),
                          [](const std::string& label) { return label.ends_with("PRIVATE KEY"); }))
    throw Failure(Exit::failed, path + " holds a private key: it was not sent",
                  "give the file with the certificates alone");
  return text;
}

// The fingerprint of the first certificate; empty where there is none.
std::string leaf_digest(const std::string& pem) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----", kEnd = "-----END";
  const std::size_t begin = pem.find(kBegin), end = pem.find(kEnd, begin);
  if (begin == std::string::npos || end == std::string::npos) return {};
  std::string text = pem.substr(begin + kBegin.size(), end - begin - kBegin.size());
  std::erase_if(text, [](char c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; });
  const auto der = from_base64(text);
  return der ? to_hex(sha256(*der)) : std::string();
}

void attach(const CertificateOptions& options, const Context& context, const std::string& pem) {
  const Reply reply = Client::admin(context.socket)
                          .post(key_path(options.name) + "/certificate", {{"chain_pem", pem}});
  if (context.json) return print(reply.body);
  const std::string leaf = leaf_digest(pem);
  for (const Version& version : versions_of(reply.object()))
    if (!version.certificate.empty() && field(version.certificate, "sha256") == leaf)
      print(options.name + " version " + version.number + " signs with the certificate of " +
            field(version.certificate, "subject") + ", serial " +
            field(version.certificate, "serial") + ", until " +
            field(version.certificate, "not_after"));
}

// Goes on whatever happens to the file: who renews it may be half-way.
[[noreturn]] void keep_attaching(const CertificateOptions& options, const Context& context) {
  FileWatch watch(options.file);
  std::string settled;  // attached, or refused for good
  for (;;) {
    int seconds = -1;
    std::string pem;
    try {
      pem = read_chain(options.file);
      if (pem != settled) attach(options, context, pem);
      settled = pem;
    } catch (const Failure& failure) {
      const bool refused = !failure.problem().empty() && failure.exit() != Exit::later;
      if (!pem.empty() && !refused) seconds = kRetrySeconds;
      if (refused) settled = pem;
      note(failure.message() +
           (seconds > 0 ? "; this is tried again" : "; nothing was changed, until the file is"));
    }
    watch.wait(seconds);
  }
}

void run_attach(const CertificateOptions& options, const Context& context) {
  if (options.watch) keep_attaching(options, context);
  attach(options, context, read_chain(options.file));
}

}  // namespace

void add_certificate_commands(CLI::App& key, Context& context) {
  auto options = std::make_shared<CertificateOptions>();
  CLI::App* csr = key.add_subcommand("csr", "A certificate request for a CA, signed by the key");
  csr->add_option("NAME", options->name, "Key of the use roles-anywhere")->required();
  csr->add_option("--subject", options->subject, "Whom the certificate is for: CN=orders,O=Example")
      ->required()
      ->type_name("DN");
  csr->add_option("--dns", options->dns, "Alternative name: a host (repeatable)")->type_name("N");
  csr->add_option("--uri", options->uris,
                  "Alternative name: a URI, such as spiffe://… (repeatable)")
      ->type_name("U");
  csr->add_option("--version", options->version,
                  "Number of the version (default: the newest that is not retired)")
      ->check(CLI::Range(1, 500))
      ->type_name("N");
  csr->footer(
      "Example:\n  holdfast key csr orders-cert --subject CN=orders,O=Example > orders.csr\n"
      "  openssl x509 -req -in orders.csr -CA ca.pem -CAkey ca.key -days 30 -copy_extensions copy "
      "> "
      "orders.pem");
  csr->callback([options, &context] { request(*options, context); });

  CLI::App* attach = key.add_subcommand("attach-certificate",
                                        "Give the version whose key it is for its certificate");
  attach->add_option("NAME", options->name, "Key of the use roles-anywhere")->required();
  attach
      ->add_option("FILE", options->file,
                   "PEM: the key's own certificate, then each one's issuer, at most 5")
      ->required();
  attach->add_flag("--watch", options->watch,
                   "Stay, and attach it again whenever the file is renewed");
  attach->footer(
      "Examples:\n  holdfast key attach-certificate orders-cert chain.pem\n"
      "  holdfast key attach-certificate orders-cert /etc/pki/orders/chain.pem --watch");
  attach->callback([options, &context] { run_attach(*options, context); });
}

}  // namespace holdfast::cli
