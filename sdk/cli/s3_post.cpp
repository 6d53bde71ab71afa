#include <utility>

#include "sdk/cli/client.h"
#include "sdk/cli/command.h"
#include "sdk/cli/output.h"
#include "sdk/cli/url.h"

namespace holdfast::cli {
namespace {

struct PostOptions {
  std::string key, region, bucket, object, prefix, url, time;
  std::vector<std::string> fields, starts_with;
  std::int64_t expires_in = 0, min_length = 0, max_length = 0;
  CLI::Option *with_object = nullptr, *with_prefix = nullptr, *with_length = nullptr;
  bool explain = false;
};

json::array read_pairs(const std::string& option, const std::vector<std::string>& given) {
  json::array out;
  for (const std::string& text : given) {
    const std::size_t mark = text.find('=');
    if (mark == std::string::npos || mark == 0)
      throw Failure(Exit::usage, option + ": no NAME=VALUE: " + text,
                    "write " + option + " Content-Type=image/png");
    out.push_back(json::array{text.substr(0, mark), text.substr(mark + 1)});
  }
  return out;
}

// A value of curl's configuration file (curl(1), -K): in quotes, with these two escaped.
std::string curl_value(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  return quoted + "\"";
}

void sign(const PostOptions& options, const Context& context) {
  json::object body{{"key", options.key},
                    {"region", options.region},
                    {"bucket", options.bucket},
                    {"expires_in", options.expires_in},
                    {"fields", read_pairs("--field", options.fields)},
                    {"starts_with", read_pairs("--starts-with", options.starts_with)}};
  if (*options.with_object) body["object"] = options.object;
  if (*options.with_prefix) body["object_prefix"] = options.prefix;
  if (*options.with_length)
    body["content_length_range"] = json::array{options.min_length, options.max_length};
  if (!options.url.empty()) body["url"] = encode_url(options.url);
  if (!options.time.empty()) body["time"] = options.time;
  if (options.explain) body["explain"] = true;
  const Reply reply = Client::application(context.socket).post("/v1/sign/s3-post", body);
  if (context.json) return print(reply.body);
  const json::object& form = reply.object();
  if (options.explain)
    note("policy document:\n" + std::string(form.at("policy_document").as_string()) + "\n");
  print("url = " + curl_value(plain(form.at("url"))));
  for (const json::value& field : form.at("fields").as_array())
    print("form-string = " +
          curl_value(plain(field.as_array().at(0)) + "=" + plain(field.as_array().at(1))));
}

CLI::Option* add_text(CLI::App& command, const std::string& name, std::string& text,
                      const std::string& help, const std::string& type) {
  return command.add_option(name, text, help)->type_name(type);
}

}  // namespace

void add_s3_post_command(CLI::App& group, Context& context) {
  auto options = std::make_shared<PostOptions>();
  CLI::App* post = group.add_subcommand(
      "s3-post", "A form for uploads to S3: its URL and fields, as curl -K reads them");
  add_text(*post, "--key", options->key, "Key to sign with", "K")->required();
  add_text(*post, "--region", options->region, "Such as eu-west-1 (default: $AWS_REGION)", "R")
      ->required()
      ->envname("AWS_REGION");
  add_text(*post, "--bucket", options->bucket, "Where to upload to", "B")->required();
  options->with_object =
      add_text(*post, "--object", options->object, "Key of the object that may be written", "NAME");
  options->with_prefix =
      add_text(*post, "--object-prefix", options->prefix,
               "What it has to begin with; the name of the uploaded file comes behind it", "PREFIX")
          ->excludes(options->with_object);
  post->add_option("--expires-in", options->expires_in, "How long the form is good for")
      ->required()
      ->check(CLI::Range(1, 604800))
      ->type_name("SECONDS");
  options->with_length =
      post->add_option("--max-length", options->max_length, "The most that may be uploaded")
          ->type_name("BYTES");
  post->add_option("--min-length", options->min_length, "The least (default: 0)")
      ->needs(options->with_length)
      ->type_name("BYTES");
  post->add_option("--field", options->fields, "A field as it has to be; may be repeated")
      ->allow_extra_args(false)
      ->type_name("NAME=VALUE");
  post->add_option("--starts-with", options->starts_with,
                   "A field that whoever uploads gives, and its beginning; may be repeated")
      ->allow_extra_args(false)
      ->type_name("NAME=PREFIX");
  add_text(*post, "--url", options->url, "The bucket's, where it is not AWS's own", "URL");
  add_text(*post, "--time", options->time,
           "Sign for this time, such as 2026-01-01T00:00:00Z, as far as a grant allows", "TIME");
  post->add_flag("--explain", options->explain,
                 "Also show the policy document (on standard error)");
  post->footer(
      "Example:\n"
      "  holdfast sign s3-post --key orders-aws --region eu-west-1 --bucket orders-in \\\n"
      "      --object-prefix user/17/ --expires-in 900 --max-length 1000000 \\\n"
      "      --field Content-Type=image/png | curl -K - -F file=@photo.png");
  post->callback([options, &context] { sign(*options, context); });
}

}  // namespace holdfast::cli
