#include "sdk/cli/client.h"
#include "sdk/cli/command.h"
#include "sdk/cli/curl_request.h"
#include "sdk/cli/output.h"
#include "sdk/cli/region.h"
#include "sdk/cli/url.h"

namespace holdfast::cli {
namespace {

struct SignOptions {
  std::string key, region, region_set, service, method = "GET", url, payload, payload_sha256, time;
  std::vector<std::string> headers;
  std::int64_t presign = 0;
  bool explain = false;
};

json::array read_headers(const std::vector<std::string>& lines) {
  json::array out;
  for (const std::string& line : lines) {
    const std::size_t mark = line.find(':');
    if (mark == std::string::npos || mark == 0)
      throw Failure(Exit::usage, "no header: " + line, "write -H 'Name: value'");
    const std::size_t start = line.find_first_not_of(" \t", mark + 1);
    out.push_back(
        json::array{line.substr(0, mark), start == std::string::npos ? "" : line.substr(start)});
  }
  return out;
}

void sign(const SignOptions& options, const Context& context) {
  json::object body{{"key", options.key},
                    {"service", options.service},
                    {"method", options.method},
                    {"url", encode_url(options.url)},
                    {"headers", read_headers(options.headers)}};
  put_region(body, options.region, options.region_set);
  if (!options.payload.empty()) body["payload_sha256"] = hash_file(options.payload);
  if (!options.payload_sha256.empty()) body["payload_sha256"] = options.payload_sha256;
  if (!options.time.empty()) body["time"] = options.time;
  if (options.presign > 0) {
    body["mode"] = "query";
    body["expires_in"] = options.presign;
  }
  if (options.explain) body["explain"] = true;
  const Reply reply = Client::application(context.socket).post("/v1/sign/sigv4", body);
  if (context.json) return print(reply.body);
  const json::object& signature = reply.object();
  if (options.explain) {
    note("canonical request:\n" + std::string(signature.at("canonical_request").as_string()));
    note("\nstring to sign:\n" + std::string(signature.at("string_to_sign").as_string()) + "\n");
  }
  if (options.presign > 0) return print(signature.at("url").as_string());
  for (const json::value& header : signature.at("headers").as_array())
    print(plain(header.as_array().at(0)) + ": " + plain(header.as_array().at(1)));
}

}  // namespace

void add_sign_commands(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("sign", "Sign a request and print what to add to it")
                        ->require_subcommand(1);
  group->footer(
      "Example:\n  holdfast sign sigv4 --key orders-aws --region eu-west-1 --service s3 \\\n"
      "      --presign 900 https://bucket.s3.eu-west-1.amazonaws.com/a.txt");
  auto options = std::make_shared<SignOptions>();
  CLI::App* sigv4 =
      group->add_subcommand("sigv4", "AWS Signature Version 4: header lines, or a presigned URL");
  sigv4->add_option("--key", options->key, "Key to sign with")->required()->type_name("K");
  auto* region =
      sigv4->add_option("--region", options->region, "Such as eu-west-1 (default: $AWS_REGION)")
          ->type_name("R");
  sigv4
      ->add_option(
          "--region-set", options->region_set,
          "SigV4A instead, for each of these, such as eu-west-1,us-*; takes a key of the use "
          "sigv4a")
      ->excludes(region)
      ->type_name("R,…");
  sigv4->add_option("--service", options->service, "Such as s3, sts, dynamodb")
      ->required()
      ->type_name("S");
  sigv4->add_option("-X,--method", options->method, "GET if not given")->type_name("M");
  sigv4
      ->add_option("-H,--header", options->headers,
                   "Header of the request, 'Name: value'; may be repeated")
      ->allow_extra_args(false)
      ->type_name("LINE");
  auto* payload = sigv4
                      ->add_option("--payload", options->payload,
                                   "File with the request's body ('-': standard input)")
                      ->type_name("FILE");
  sigv4
      ->add_option("--payload-sha256", options->payload_sha256,
                   "Its SHA-256 in hex, or UNSIGNED-PAYLOAD")
      ->excludes(payload)
      ->type_name("HEX");
  sigv4->add_option("--presign", options->presign, "Make a URL that is good for so long")
      ->check(CLI::Range(1, 604800))
      ->type_name("SECONDS");
  sigv4
      ->add_option("--time", options->time,
                   "Sign for this time, such as 2026-01-01T00:00:00Z, as far as a grant allows")
      ->type_name("TIME");
  sigv4->add_flag("--explain", options->explain,
                  "Also show canonical request and string to sign (on standard error)");
  sigv4->add_option("URL", options->url, "As typed: what has to be percent-encoded is")->required();
  sigv4->footer(
      "Examples:\n  holdfast sign sigv4 --key orders-aws --region eu-west-1 --service s3 \\\n"
      "      --presign 900 'https://bucket.s3.eu-west-1.amazonaws.com/a b.txt'\n"
      "  holdfast sign sigv4 --key orders-aws --region eu-west-1 --service s3 --method PUT \\\n"
      "      --payload a.txt https://bucket.s3.eu-west-1.amazonaws.com/a.txt\n"
      "  holdfast sign sigv4 --key orders-mrap --region-set '*' --service s3 \\\n"
      "      https://mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com/a.txt");
  sigv4->callback([options, &context] {
    take_region(options->region, options->region_set, {"AWS_REGION"});
    sign(*options, context);
  });
  add_s3_post_command(*group, context);
}

}  // namespace holdfast::cli
