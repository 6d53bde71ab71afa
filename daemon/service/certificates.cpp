// What an administrator does to the certificates of keys.
#include <algorithm>

#include "daemon/base/error.h"
#include "daemon/key/certificate_request.h"
#include "daemon/key/verify.h"
#include "daemon/service/device_signature.h"
#include "daemon/service/key_admin.h"

namespace holdfast {
namespace {

using boost::asio::awaitable;

constexpr std::size_t kMaxAttributes = 16, kMaxAttribute = 128;
constexpr std::size_t kMaxNames = 32, kMaxName = 2048;

std::vector<std::pair<std::string, std::string>> read_subject(Fields& fields) {
  std::vector<std::pair<std::string, std::string>> subject;
  constexpr const char* kForm = R"(has to be a list of ["CN","value"])";
  const json::value* list = fields.optional_value("subject");
  if (list == nullptr || !list->is_array() || list->get_array().empty())
    fields.fail("subject", kForm);
  if (list->get_array().size() > kMaxAttributes)
    fields.fail("subject", "has more than " + std::to_string(kMaxAttributes) + " entries");
  for (const json::value& entry : list->get_array()) {
    const json::array* pair = entry.if_array();
    if (pair == nullptr || pair->size() != 2 || !pair->at(0).is_string() ||
        !pair->at(1).is_string())
      fields.fail("subject", kForm);
    const json::string &type = pair->at(0).get_string(), &value = pair->at(1).get_string();
    if (type.size() > kMaxAttribute || value.size() > kMaxAttribute)
      fields.fail("subject",
                  "has a text that is longer than " + std::to_string(kMaxAttribute) + " bytes");
    subject.emplace_back(type, value);
  }
  return subject;
}

// The version that was named, else the newest that is not retired.
const KeyVersion& version_to_certify(const Key& key, std::optional<std::int64_t> number) {
  const auto fits = [&](const KeyVersion& version) {
    return number ? version.number == *number : version.state != VersionState::retired;
  };
  const auto at = std::find_if(key.versions.rbegin(), key.versions.rend(), fits);
  if (at == key.versions.rend())
    throw Error(ErrorKind::not_found,
                "key " + key.name +
                    (number ? " has no version " + std::to_string(*number)
                            : std::string(" has no version that is not retired")));
  if (at->disabled || at->state == VersionState::retired)
    throw Error(ErrorKind::conflict, "version " + std::to_string(at->number) +
                                         " is disabled or retired, and signs nothing");
  return *at;
}

void demand_use(const Key& key) {
  if (!needs_certificate(key.use))
    throw Error(ErrorKind::conflict,
                "key " + key.name + " is for " + std::string(to_string(key.use)) +
                    ", which takes no certificate: only keys of the use roles-anywhere do");
}

}  // namespace

awaitable<json::object> KeyAdmin::request_certificate(std::uint64_t account, std::string name,
                                                      std::string_view body) {
  const json::object object = parse_json_object(body);
  Fields fields(object);
  RequestedNames names;
  names.subject = read_subject(fields);
  names.dns = fields.text_list("dns", kMaxNames, kMaxName);
  names.uris = fields.text_list("uri", kMaxNames, kMaxName);
  const auto number = fields.optional_integer("version", 1, INT32_MAX);
  fields.finish();

  const Catalogue::Change change(service_.catalogue, name);
  const Key key = require(name);
  demand_use(key);
  if (key.disabled) throw Error(ErrorKind::conflict, "key " + name + " is disabled");
  service_.clock.require();
  const KeyVersion& version = version_to_certify(key, number);
  const Algorithm algorithm = algorithms_of(key.type).front();
  CertificateRequest request(version.public_key, algorithm, names);
  const Bytes input = to_be_signed(algorithm, as_text(request.to_be_signed()));
  const Bytes signature =
      co_await verified_signature(service_, account, algorithm, input, key, version);
  co_return json::object{{"csr_pem", request.to_pem(signature)}, {"version", version.number}};
}

awaitable<KeyAdmin::Attached> KeyAdmin::attach_certificate(std::string name,
                                                           std::string_view body) {
  const json::object object = parse_json_object(body);
  Fields fields(object);
  const std::string pem = fields.text("chain_pem", kMostCertificateText);
  fields.finish();

  const Catalogue::Change change(service_.catalogue, name);
  Key key = require(name);
  demand_use(key);
  Certificate certificate;
  try {
    certificate = read_certificate(pem);
  } catch (const Error& error) {
    fields.fail("chain_pem", error.detail());
  }
  service_.clock.require();
  demand_valid(certificate, service_.clock.now());
  const std::string what = "serial " + certificate.serial + " of " +
                           certificate.issuer.substr(0, 256) + ", until " +
                           to_rfc3339(certificate.not_after);
  auto [changed, number] = with_certificate(std::move(key), std::move(certificate));
  json::object document = co_await save(std::move(changed));
  co_return Attached{std::move(document), "version " + std::to_string(number) + ": " + what};
}

}  // namespace holdfast
