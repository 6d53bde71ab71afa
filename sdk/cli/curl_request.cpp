#include "sdk/cli/curl_request.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "daemon/base/openssl.h"
#include "daemon/base/posix.h"
#include "sdk/cli/failure.h"
#include "sdk/cli/region.h"
#include "sdk/cli/url.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kMaxBodyGiven = 32 * 1024;
constexpr std::size_t kMaxSignRequest = 60 * 1024;
constexpr std::size_t kChunk = 64 * 1024;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string_view trim(std::string_view text) {
  const auto start = text.find_first_not_of(" \t");
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(" \t") - start + 1);
}

template <class Take>
void read_chunks(const std::string& path, Take take) {
  UniqueFd opened;
  if (path != "-") {
    opened = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened)
      throw Failure(Exit::failed, "can't read " + path + ": " + std::strerror(errno),
                    "name a readable file");
  }
  const int fd = opened ? opened.get() : STDIN_FILENO;
  std::string chunk(kChunk, '\0');
  for (;;) {
    const ssize_t got = ::read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Failure(Exit::failed, "can't read " + path + ": " + std::strerror(errno));
    if (got == 0) return;
    take(std::string_view(chunk.data(), static_cast<std::size_t>(got)));
  }
}

std::string read_whole(const std::string& path) {
  std::string text;
  read_chunks(path, [&](std::string_view chunk) { text += chunk; });
  return text;
}

// curl's manual, --data-urlencode: content, =content, name=content, @file, name@file.
std::string urlencoded(const std::string& text) {
  const std::size_t mark = text.find_first_of("=@");
  if (mark == std::string::npos) return encode_component(text);
  const std::string name = text.substr(0, mark);
  const std::string rest = text.substr(mark + 1);
  const std::string value = encode_component(text[mark] == '@' ? read_whole(rest) : rest);
  return name.empty() ? value : name + "=" + value;
}

std::string read_datum(const CurlDatum& datum) {
  using Kind = CurlDatum::Kind;
  if (datum.kind == Kind::urlencode) return urlencoded(datum.text);
  if (datum.kind == Kind::raw || !datum.text.starts_with('@')) return datum.text;
  std::string text = read_whole(datum.text.substr(1));
  if (datum.kind == Kind::ascii)
    std::erase_if(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
  return text;
}

std::string join_data(const std::vector<CurlDatum>& data) {
  std::string out;
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (i > 0 && data[i].kind != CurlDatum::Kind::json) out += '&';
    out += read_datum(data[i]);
  }
  return out;
}

void check_combination(const CurlCommand& command) {
  const auto refuse = [](const char* message) {
    throw Failure(Exit::usage, message, "choose one");
  };
  if (command.upload && !command.data.empty()) refuse("-T and -d can't be used together");
  if (command.upload && command.get) refuse("-T and -G can't be used together");
  if (command.upload && command.head) refuse("-T and -I can't be used together");
  if (command.head && !command.data.empty() && !command.get)
    refuse("-I and -d can't be used together");
  if (command.upload && command.range) refuse("-T and -r can't be used together");
  if (command.upload == "-" || command.upload == ".")
    throw Failure(Exit::usage, "-T from standard input can't be signed before it is sent",
                  "write it to a file first");
}

void add_header(CurlRequest& request, const std::string& line) {
  if (line.starts_with('@'))
    throw Failure(Exit::usage, "can't sign for -H @FILE", "give the headers one by one");
  if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
    throw Failure(Exit::usage, "a header holds a line break", "give each header its own -H");
  const std::size_t mark = line.find_first_of(":;");
  if (mark == std::string::npos || mark == 0)
    throw Failure(Exit::usage, "no header: " + line, "write -H 'Name: value'");
  const std::string name = lower(trim(line.substr(0, mark)));
  const std::string value(trim(std::string_view(line).substr(mark + 1)));
  if (name == "authorization" || name == "x-amz-date")
    throw Failure(Exit::usage, "the header " + name + " is what the signature sets",
                  "leave it out");
  if (name == "x-amz-content-sha256") request.payload = value;
  request.as_given.push_back(line);
  // "Name:" takes a header of curl's own away; "Name;" sends it empty.
  const bool removed = line[mark] == ':' && value.empty();
  const bool is_signed =
      name == "content-type" || name == "range" || name == "host" || name.starts_with("x-amz-");
  if (is_signed && !removed) request.headers.emplace_back(name, value);
}

bool gives(const CurlRequest& request, std::string_view name) {
  return std::any_of(request.as_given.begin(), request.as_given.end(),
                     [&](const std::string& line) {
                       return lower(trim(line.substr(0, line.find_first_of(":;")))) == name;
                     });
}

void set_header(CurlRequest& request, const std::string& name, const std::string& value) {
  if (!gives(request, lower(name))) add_header(request, name + ": " + value);
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\v':
        out += "\\v";
        break;
      default:
        out += c;
    }
  }
  return out + "\"";
}

}  // namespace

CurlRequest plan_curl(const CurlCommand& command) {
  check_combination(command);
  CurlRequest request;
  request.url = encode_url(command.url);
  for (const std::string& line : command.headers) add_header(request, line);

  if (command.upload) {
    request.upload = command.upload;
    request.url =
        with_file_name(request.url, std::filesystem::path(*command.upload).filename().string());
  } else if (command.get) {
    request.url = with_query(request.url, join_data(command.data));
  } else if (!command.data.empty()) {
    request.body = join_data(command.data);
    const bool is_json =
        std::any_of(command.data.begin(), command.data.end(),
                    [](const CurlDatum& datum) { return datum.kind == CurlDatum::Kind::json; });
    set_header(request, "Content-Type",
               is_json ? "application/json" : "application/x-www-form-urlencoded");
    if (is_json) set_header(request, "Accept", "application/json");
  }
  if (command.range) set_header(request, "Range", "bytes=" + *command.range);

  request.method = command.method   ? *command.method
                   : command.head   ? "HEAD"
                   : request.upload ? "PUT"
                   : request.body   ? "POST"
                                    : "GET";
  return request;
}

json::object sign_body(const CurlCommand& command, const CurlRequest& request) {
  json::object out{{"key", command.key},
                   {"service", command.service},
                   {"method", request.method},
                   {"url", request.url}};
  put_region(out, command.region, command.region_set);
  json::array headers;
  std::size_t size = request.url.size() + 1024;
  for (const auto& [name, value] : request.headers) {
    headers.push_back(json::array{name, value});
    size += 2 * (name.size() + value.size());
  }
  out["headers"] = std::move(headers);
  const auto base64_size = [](std::size_t bytes) { return (bytes + 2) / 3 * 4; };
  if (request.payload)
    out["payload_sha256"] = *request.payload;
  else if (request.upload)
    out["payload_sha256"] = hash_file(*request.upload);
  else if (const std::string body = request.body.value_or("");
           body.size() <= kMaxBodyGiven && size + base64_size(body.size()) <= kMaxSignRequest)
    out["body"] = to_base64(as_bytes(body));
  else
    out["payload_sha256"] = sha256_hex(body);
  return out;
}

std::string curl_config(const CurlCommand& command, const CurlRequest& request,
                        const std::vector<Header>& signed_headers, const std::string& body_path) {
  // Without these curl would expand brackets and squeeze dot segments: other bytes than were
  // signed.
  std::string out = "globoff\npath-as-is\n";
  const auto set = [&](std::string_view name, std::string_view value) {
    out += std::string(name) + " = " + in_quotes(value) + "\n";
  };
  for (const auto& [name, value] : command.passed) {
    if (value)
      set(name, *value);
    else
      out += name + "\n";
  }
  set("url", request.url);
  if (request.upload) set("upload-file", *request.upload);
  if (request.body) set("data-binary", "@" + body_path);
  if (request.method == "HEAD" && !request.body && !request.upload)
    out += "head\n";
  else
    set("request", request.method);
  for (const std::string& line : request.as_given) set("header", line);
  for (const auto& [name, value] : signed_headers) set("header", name + ": " + value);
  return out;
}

std::string hash_file(const std::string& path) {
  const EvpMdCtx context(EVP_MD_CTX_new());
  Sha256 digest{};
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1)
    throw_openssl("SHA-256");
  read_chunks(path, [&](std::string_view chunk) {
    if (EVP_DigestUpdate(context.get(), chunk.data(), chunk.size()) != 1) throw_openssl("SHA-256");
  });
  if (EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) throw_openssl("SHA-256");
  return to_hex(digest);
}

}  // namespace holdfast::cli
