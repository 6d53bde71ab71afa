// The measuring part of tests/bench/run: one measurement a call, one line of JSON.
#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

#include "daemon/base/error.h"
#include "tests/bench/decide.h"
#include "tests/bench/direct.h"
#include "tests/bench/http.h"
#include "tests/bench/raw.h"
#include "tests/bench/token.h"

namespace {

using namespace holdfast::bench;

// Messages, each behind a line with its length and its answer's status in decimal.
std::vector<Request> read_requests(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<Request> requests;
  std::size_t size = 0;
  for (int status = 0; file >> size >> status;) {
    file.get();
    Request request{std::string(size, '\0'), status};
    file.read(request.message.data(), static_cast<std::streamsize>(size));
    requests.push_back(std::move(request));
  }
  if (requests.empty()) throw std::runtime_error("no request in " + path);
  return requests;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("One measurement; tests/bench/run makes them all.");
  app.require_subcommand(1);
  double seconds = 2;
  int own = -1, others = -1;
  app.add_option("--seconds", seconds);
  app.add_option("--processor", own);

  std::size_t request = 0, reply = 0;
  int processes = 1;
  auto* raw = app.add_subcommand("raw", "Unix-socket round trips")->fallthrough();
  raw->add_option("--request-bytes", request)->required();
  raw->add_option("--reply-bytes", reply)->required();
  raw->add_option("--processes", processes, "in a row behind us");
  raw->add_option("--others", others, "their processor");

  Load load;
  std::string requests, protocol = "http";
  auto* http = app.add_subcommand("load", "Requests to a daemon")->fallthrough();
  http->add_option("--protocol", protocol)->check(CLI::IsMember({"http", "agent"}));
  http->add_option("--socket", load.socket)->required();
  http->add_option("--requests", requests)->required();
  http->add_option("--connections", load.connections);
  http->add_option("--warm-up", load.warm_up, "seconds that do not count");
  http->add_option("--rate", load.rate, "requests per second; 0: as many as are answered");

  std::string tcti;
  auto* direct = app.add_subcommand("direct", "ESAPI signatures in a loop")->fallthrough();
  direct->add_option("--tcti", tcti)->required();

  TokenLoop loop;
  auto* token = app.add_subcommand("token", "PKCS#11 signatures in a loop")->fallthrough();
  token->add_option("--module", loop.module)->required();
  token->add_option("--uri", loop.uri, "of the token")->required();
  token->add_option("--pin-file", loop.pin_file)->required();
  token->add_option("--key", loop.key, "its label")->required();
  token->add_option("--threads", loop.threads, "of each process");
  token->add_option("--processes", loop.processes, "each with the module loaded for itself");

  std::size_t grants = 10'000, keys = 1000;
  auto* decisions = app.add_subcommand("decide", "Policy's decisions in a loop")->fallthrough();
  decisions->add_option("--grants", grants);
  decisions->add_option("--keys", keys);

  CLI11_PARSE(app, argc, argv);
  try {
    Samples samples;
    if (*raw) {
      samples = ping_pong(request, reply, processes, seconds, own, others);
    } else if (*decisions) {
      samples = decide(grants, keys, seconds, own);
    } else if (*direct) {
      samples = sign_directly(tcti, seconds, own);
    } else if (*token) {
      pin(own);
      samples = sign_on_token(loop, seconds);
    } else {
      load.protocol = protocol == "agent" ? Protocol::agent : Protocol::http;
      load.requests = read_requests(requests);
      load.seconds = seconds;
      load.processor = own;
      samples = run(load);
    }
    std::cout << to_json(samples) << '\n';
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "bench: " << error.what() << '\n';
    return 1;
  }
}
