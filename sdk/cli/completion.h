// Completion scripts, made from the tree of commands itself, so that they can't fall behind it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace holdfast::cli {

// `shell`: bash, zsh or fish.
std::string completion_script(const CLI::App& app, const std::string& shell);

}  // namespace holdfast::cli
