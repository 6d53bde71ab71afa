#include "sdk/cli/curl_options.h"

#include <algorithm>

#include "sdk/cli/failure.h"
#include "sdk/cli/region.h"

namespace holdfast::cli {
namespace {

enum class Role {
  key,
  region,
  region_set,
  service,
  socket,
  help,
  method,
  header,
  data,
  upload,
  range,
  get,
  head,
  pass
};

struct Option {
  char letter;  // '\0': none
  const char* name;
  bool takes_value;
  Role role;
  CurlDatum::Kind kind = CurlDatum::Kind::ascii;
};

constexpr Option kOptions[] = {
    {'\0', "key", true, Role::key},
    {'\0', "region", true, Role::region},
    {'\0', "region-set", true, Role::region_set},
    {'\0', "service", true, Role::service},
    {'\0', "socket", true, Role::socket},
    {'h', "help", false, Role::help},
    {'X', "request", true, Role::method},
    {'H', "header", true, Role::header},
    {'d', "data", true, Role::data},
    {'\0', "data-ascii", true, Role::data},
    {'\0', "data-raw", true, Role::data, CurlDatum::Kind::raw},
    {'\0', "data-binary", true, Role::data, CurlDatum::Kind::binary},
    {'\0', "data-urlencode", true, Role::data, CurlDatum::Kind::urlencode},
    {'\0', "json", true, Role::data, CurlDatum::Kind::json},
    {'T', "upload-file", true, Role::upload},
    {'r', "range", true, Role::range},
    {'G', "get", false, Role::get},
    {'I', "head", false, Role::head},
    // None of these touches what is signed.
    {'o', "output", true, Role::pass},
    {'O', "remote-name", false, Role::pass},
    {'D', "dump-header", true, Role::pass},
    {'s', "silent", false, Role::pass},
    {'S', "show-error", false, Role::pass},
    {'v', "verbose", false, Role::pass},
    {'i', "include", false, Role::pass},
    {'f', "fail", false, Role::pass},
    {'\0', "fail-with-body", false, Role::pass},
    {'w', "write-out", true, Role::pass},
    {'m', "max-time", true, Role::pass},
    {'\0', "connect-timeout", true, Role::pass},
    {'k', "insecure", false, Role::pass},
    {'\0', "cacert", true, Role::pass},
    {'\0', "compressed", false, Role::pass},
    {'A', "user-agent", true, Role::pass},
    {'x', "proxy", true, Role::pass},
    {'\0', "noproxy", true, Role::pass},
    {'\0', "resolve", true, Role::pass},
    {'\0', "connect-to", true, Role::pass},
    {'4', "ipv4", false, Role::pass},
    {'6', "ipv6", false, Role::pass},
    {'\0', "http1.1", false, Role::pass},
    {'N', "no-buffer", false, Role::pass},
    {'#', "progress-bar", false, Role::pass},
    {'\0', "no-progress-meter", false, Role::pass},
};

[[noreturn]] void refuse(const std::string& option) {
  if (option == "-L" || option == "--location")
    throw Failure(Exit::usage,
                  option + " is refused: a redirect would send the signature to another place",
                  "sign for the place it names: read the Location header with -i");
  throw Failure(Exit::usage, "can't sign for curl's option " + option,
                "leave it out, or use `holdfast sign sigv4` and call curl yourself; see "
                "`holdfast aws curl --help`");
}

void apply(CurlCommand& command, const Option& option, std::string value) {
  switch (option.role) {
    case Role::key:
      command.key = std::move(value);
      break;
    case Role::region:
      command.region = std::move(value);
      break;
    case Role::region_set:
      command.region_set = std::move(value);
      break;
    case Role::service:
      command.service = std::move(value);
      break;
    case Role::socket:
      command.socket = std::move(value);
      break;
    case Role::help:
      command.help = true;
      break;
    case Role::method:
      command.method = std::move(value);
      break;
    case Role::header:
      command.headers.push_back(std::move(value));
      break;
    case Role::data:
      command.data.push_back({option.kind, std::move(value)});
      break;
    case Role::upload:
      command.upload = std::move(value);
      break;
    case Role::range:
      command.range = std::move(value);
      break;
    case Role::get:
      command.get = true;
      break;
    case Role::head:
      command.head = true;
      break;
    case Role::pass:
      if (option.takes_value)
        command.passed.emplace_back(option.name, std::move(value));
      else
        command.passed.emplace_back(option.name, std::nullopt);
      break;
  }
}

const Option* find(std::string_view name) {
  for (const Option& option : kOptions)
    if (option.name == name) return &option;
  return nullptr;
}

const Option* find(char letter) {
  for (const Option& option : kOptions)
    if (option.letter && option.letter == letter) return &option;
  return nullptr;
}

class Arguments {
 public:
  explicit Arguments(const std::vector<std::string>& all) : all_(all) {}
  bool more() const { return next_ < all_.size(); }
  const std::string& take() { return all_[next_++]; }
  std::string value_of(const std::string& option) {
    if (!more()) throw Failure(Exit::usage, option + " needs a value");
    return take();
  }

 private:
  const std::vector<std::string>& all_;
  std::size_t next_ = 0;
};

void take_long(CurlCommand& command, const std::string& word, Arguments& rest) {
  // curl has no --name=value; our own four do, as in our other commands.
  const std::size_t mark = std::min(word.find('='), word.size());
  const std::string_view name = std::string_view(word).substr(2, mark - 2);
  std::optional<std::string> joined;
  if (mark < word.size()) joined = word.substr(mark + 1);
  const Option* option = find(name);
  if (!option || (joined && option->role > Role::socket)) refuse(word);
  apply(command, *option,
        joined                ? *joined
        : option->takes_value ? rest.value_of(word)
                              : std::string());
}

void take_short(CurlCommand& command, const std::string& word, Arguments& rest) {
  for (std::size_t i = 1; i < word.size(); ++i) {
    const std::string shown = {'-', word[i]};
    const Option* option = find(word[i]);
    if (!option) refuse(shown);
    if (option->takes_value) {
      apply(command, *option, i + 1 < word.size() ? word.substr(i + 1) : rest.value_of(shown));
      return;
    }
    apply(command, *option, {});
  }
}

void take_url(CurlCommand& command, const std::string& word) {
  if (!command.url.empty())
    throw Failure(Exit::usage, "two URLs: " + command.url + " and " + word,
                  "sign one request at a time");
  command.url = word;
}

void require(const std::string& value, const char* name) {
  if (value.empty())
    throw Failure(Exit::usage, std::string("--") + name + " is missing",
                  "holdfast aws curl --key K --region R --service S [curl's options] -- URL");
}

}  // namespace

CurlCommand parse_curl(const std::vector<std::string>& arguments) {
  CurlCommand command;
  Arguments rest(arguments);
  bool only_urls = false;
  while (rest.more()) {
    const std::string& word = rest.take();
    if (only_urls || word.size() < 2 || word[0] != '-')
      take_url(command, word);
    else if (word == "--")
      only_urls = true;
    else if (word[1] == '-')
      take_long(command, word, rest);
    else
      take_short(command, word, rest);
  }
  if (command.help) return command;
  require(command.key, "key");
  take_region(command.region, command.region_set, {"AWS_REGION", "AWS_DEFAULT_REGION"});
  require(command.service, "service");
  if (command.url.empty()) throw Failure(Exit::usage, "no URL is given", "put it last, after `--`");
  return command;
}

std::vector<std::string> curl_option_names() {
  std::vector<std::string> names;
  for (const Option& option : kOptions) {
    if (option.letter) names.push_back({'-', option.letter});
    names.push_back(std::string("--") + option.name);
  }
  return names;
}

std::string curl_help() {
  std::string known;
  std::string line = " ";
  for (const Option& option : kOptions) {
    if (option.role <= Role::help) continue;
    std::string shown = " ";
    if (option.letter) shown += std::string{'-', option.letter} + "/";
    shown += std::string("--") + option.name;
    if (line.size() + shown.size() > 90) {
      known.append(line).append("\n");
      line.resize(1);
    }
    line += shown;
  }
  known.append(line);
  return "Signs a request with a key the daemon holds, then runs curl with it.\n\n"
         "Usage: holdfast aws curl --key K --region R --service S [curl's options] -- URL\n\n"
         "  --key K        key to sign with (see `holdfast key list`)\n"
         "  --region R     such as eu-west-1 (default: $AWS_REGION, $AWS_DEFAULT_REGION)\n"
         "  --region-set R,…  SigV4A instead, for each of these ('*', 'eu-*'); a key of the use "
         "sigv4a\n"
         "  --service S    such as s3, sts, dynamodb\n"
         "  --socket PATH  the daemon's application socket\n\n"
         "Options of curl that work here; any other is refused, and ~/.curlrc is not read:\n" +
         known +
         "\n\nMethod, body and content type are worked out as curl would. Ends with curl's exit "
         "status; 2 to 4\n"
         "with a message that starts with `holdfast:` when it was not run at all.\n\n"
         "Examples:\n"
         "  holdfast aws curl --key orders-aws --region eu-west-1 --service s3 \\\n"
         "      -o 7.pdf -- https://bucket.s3.eu-west-1.amazonaws.com/invoices/7.pdf\n"
         "  holdfast aws curl --key orders-aws --region eu-west-1 --service s3 -T 7.pdf \\\n"
         "      -- https://bucket.s3.eu-west-1.amazonaws.com/invoices/\n"
         "  holdfast aws curl --key orders-aws --region us-east-1 --service sts \\\n"
         "      -d Action=GetCallerIdentity -d Version=2011-06-15 -- "
         "https://sts.us-east-1.amazonaws.com/";
}

}  // namespace holdfast::cli
