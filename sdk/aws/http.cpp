#include "sdk/aws/http.h"

#include <curl/curl.h>
#include <malloc.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "sdk/aws/endpoint.h"

namespace holdfast::aws {
namespace {

struct Deleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Handle = std::unique_ptr<CURL, Deleter>;
using List = std::unique_ptr<curl_slist, Deleter>;

// libcurl's buffers have held the reply, which is a secret.
void zeroing_free(void* block) {
  if (block) cleanse(block, malloc_usable_size(block));
  std::free(block);
}

void* zeroing_realloc(void* block, std::size_t size) {
  if (!block) return std::malloc(size);
  void* bigger = std::malloc(size);
  if (!bigger) return nullptr;
  std::memcpy(bigger, block, std::min(size, malloc_usable_size(block)));
  zeroing_free(block);
  return bigger;
}

void prepare_curl() {
  static const CURLcode code = curl_global_init_mem(CURL_GLOBAL_DEFAULT, std::malloc, zeroing_free,
                                                    zeroing_realloc, ::strdup, std::calloc);
  if (code != CURLE_OK) throw NoReply("libcurl does not start", "", false);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::size_t take_body(const char* data, std::size_t, std::size_t size, void* user) {
  auto& body = static_cast<HttpReply*>(user)->body;
  if (body.size() + size > kMaxHttpReply) return 0;
  body.insert(body.end(), data, data + size);
  return size;
}

std::size_t take_header(const char* data, std::size_t, std::size_t size, void* user) {
  auto& reply = *static_cast<HttpReply*>(user);
  const std::string_view line(data, size);
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size;
  const std::size_t start = line.find_first_not_of(" \t", colon + 1);
  const std::size_t end = line.find_last_not_of(" \t\r\n");
  if (start == std::string_view::npos || end < start) return size;
  const std::string name = lower(line.substr(0, colon));
  std::string value(line.substr(start, end - start + 1));
  if (name == "date") reply.date = parse_http_date(value);
  if (name == "x-amzn-errortype") reply.error_type = std::move(value);
  return size;
}

NoReply failed(CURLcode code, const HttpReply& reply, const char* detail, const std::string& url) {
  const std::string where = url.substr(0, url.find('/', url.find("//") + 2));
  const std::string why = *detail ? detail : curl_easy_strerror(code);
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return {where + ": its certificate can't be verified: " + why,
              "if it is one of your own, name who vouches for it: --ca-file FILE", false};
    case CURLE_WRITE_ERROR:
      if (reply.body.size() > 0)
        return {where + " answered with more than 1 MiB", "is the endpoint right?", false};
      [[fallthrough]];
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return {where + ": " + why, "is the endpoint right?", false};
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
      return {where + " broke off its reply: " + why, "try again later", true};
    case CURLE_OPERATION_TIMEDOUT:
      return {where + " did not answer in time", "try again later, or give it a longer --timeout",
              true};
    default:
      return {where + " can't be reached: " + why, "is the network up, and the endpoint right?",
              true};
  }
}

template <class Value>
void set(CURL* handle, CURLoption option, Value value) {
  if (const CURLcode code = curl_easy_setopt(handle, option, value); code != CURLE_OK)
    throw NoReply(std::string("libcurl refuses an option: ") + curl_easy_strerror(code), "", false);
}

HttpReply send(const std::string& ca_file, const HttpRequest& request,
               std::chrono::milliseconds patience) {
  prepare_curl();
  const Handle handle(curl_easy_init());
  if (!handle) throw NoReply("libcurl does not start", "", false);
  HttpReply reply;
  char detail[CURL_ERROR_SIZE] = "";
  List headers;
  const auto add = [&](const std::string& line) {
    curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
    if (!longer) throw std::bad_alloc();
    headers.release();
    headers.reset(longer);
  };
  for (const auto& [name, value] : request.headers) add(name + ": " + value);
  add("Expect:");  // no 100-continue: bodies are small

  const bool loopback = is_loopback(request.url);
  CURL* curl = handle.get();
  set(curl, CURLOPT_ERRORBUFFER, detail);
  set(curl, CURLOPT_URL, request.url.c_str());
  set(curl, CURLOPT_PROTOCOLS_STR, loopback ? "https,http" : "https");
  if (loopback) set(curl, CURLOPT_NOPROXY, "*");
  set(curl, CURLOPT_PATH_AS_IS, 1L);
  set(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  set(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  set(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!ca_file.empty()) {
    set(curl, CURLOPT_CAINFO, ca_file.c_str());
    set(curl, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  set(curl, CURLOPT_NOSIGNAL, 1L);
  set(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(patience.count()));
  set(curl, CURLOPT_USERAGENT, "holdfast/" HOLDFAST_VERSION);
  set(curl, CURLOPT_HTTPHEADER, headers.get());
  set(curl, CURLOPT_POSTFIELDSIZE, static_cast<long>(request.body.size()));
  set(curl, CURLOPT_POSTFIELDS, request.body.data());
  set(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  set(curl, CURLOPT_WRITEFUNCTION, take_body);
  set(curl, CURLOPT_WRITEDATA, &reply);
  set(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);  // a proxy's Date is nobody's
  set(curl, CURLOPT_HEADERFUNCTION, take_header);
  set(curl, CURLOPT_HEADERDATA, &reply);
  if (const CURLcode code = curl_easy_perform(curl); code != CURLE_OK)
    throw failed(code, reply, detail, request.url);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
  return reply;
}

}  // namespace

Send make_send(const std::string& ca_file) {
  return [ca_file](const HttpRequest& request, std::chrono::milliseconds patience) {
    return send(ca_file, request, patience);
  };
}

std::optional<SystemTime> parse_http_date(const std::string& text) {
  const std::time_t time = curl_getdate(text.c_str(), nullptr);
  if (time < 0) return std::nullopt;
  return std::chrono::system_clock::from_time_t(time);
}

}  // namespace holdfast::aws
