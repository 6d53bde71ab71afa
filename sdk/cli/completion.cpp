#include "sdk/cli/completion.h"

#include "sdk/cli/command.h"
#include "sdk/cli/curl_options.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

struct Word {
  std::string text;
  std::string help;
};

struct Node {
  std::string path;  // " key create"; empty for the program
  std::vector<Word> commands;
  std::vector<Word> options;
  bool takes_key = false;
};

// "create", "enrol" and the imports name a key that is not there yet.
bool names_a_key(const CLI::App& app) {
  return app.get_parent() && app.get_parent()->get_name() == "key" &&
         app.get_option_no_throw("NAME") && app.get_name() != "create" &&
         app.get_name() != "enrol" && !app.get_name().starts_with("import");
}

void walk(const CLI::App& app, const std::string& path, std::vector<Node>& nodes) {
  Node node{path, {}, {}, names_a_key(app)};
  for (const CLI::App* command : app.get_subcommands(nullptr))
    node.commands.push_back({command->get_name(), command->get_description()});
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames())
      node.options.push_back({"--" + name, option->get_description()});
    for (const std::string& name : option->get_snames())
      node.options.push_back({"-" + name, option->get_description()});
  }
  if (path == " aws curl")
    for (const std::string& name : curl_option_names()) node.options.push_back({name, ""});
  nodes.push_back(node);
  for (const CLI::App* command : app.get_subcommands(nullptr))
    walk(*command, path + " " + command->get_name(), nodes);
}

std::string words(const Node& node) {
  std::string out;
  for (const auto* list : {&node.commands, &node.options})
    for (const Word& word : *list) out += (out.empty() ? "" : " ") + word.text;
  if (!node.path.empty()) out += " --socket --json";
  return out;
}

constexpr const char* kKeys = "$(holdfast key list --names 2>/dev/null)";

// bash and zsh: find the command that the words so far name, then offer its words. `first` is the
// index of the first word after the program's name.
std::string shell_cases(const std::vector<Node>& nodes, const std::string& array,
                        const std::string& end, int first) {
  std::string known, offers;
  for (const Node& node : nodes) {
    if (!node.path.empty()) known += (known.empty() ? "" : "|") + ("\"" + node.path + "\"");
    offers += "    \"" + node.path + "\") offer=\"" + words(node) +
              (node.takes_key ? std::string(" ") + kKeys : "") + "\" ;;\n";
  }
  return "  local path=\"\" offer=\"\" i\n"
         "  for ((i = " +
         std::to_string(first) + "; i < " + end +
         "; i++)); do\n"
         "    case \"$path ${" +
         array +
         "[i]}\" in\n"
         "      " +
         known + ") path=\"$path ${" + array +
         "[i]}\" ;;\n"
         "    esac\n"
         "  done\n"
         "  case \"$path\" in\n" +
         offers + "  esac\n";
}

std::string bash_script(const std::vector<Node>& nodes) {
  return "# holdfast completion bash > /etc/bash_completion.d/holdfast\n"
         "_holdfast() {\n" +
         shell_cases(nodes, "COMP_WORDS", "COMP_CWORD", 1) +
         "  if [ \"${COMP_WORDS[COMP_CWORD-1]}\" = --key ]; then offer=\"" + kKeys +
         "\"; fi\n"
         "  COMPREPLY=($(compgen -W \"$offer\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
         "}\n"
         "complete -o default -F _holdfast holdfast";
}

std::string zsh_script(const std::vector<Node>& nodes) {
  return "#compdef holdfast\n"
         "# holdfast completion zsh > \"${fpath[1]}/_holdfast\"\n"
         "_holdfast() {\n" +
         shell_cases(nodes, "words", "CURRENT", 2) +
         "  if [[ \"${words[CURRENT-1]}\" == --key ]]; then offer=\"" + kKeys +
         "\"; fi\n"
         "  compadd -- ${=offer}\n"
         "  _files\n"
         "}\n"
         "compdef _holdfast holdfast";
}

std::string fish_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out + "'";
}

std::string fish_script(const std::vector<Node>& nodes) {
  std::string known, lines;
  for (const Node& node : nodes) {
    if (!node.path.empty()) known += " " + fish_quoted(node.path);
    const std::string when =
        "complete -c holdfast -n " + fish_quoted("__holdfast_at \"" + node.path + "\"");
    for (const auto* list : {&node.commands, &node.options})
      for (const Word& word : *list)
        lines += "\n" + when + " -a " + fish_quoted(word.text) + " -d " + fish_quoted(word.help);
    if (node.takes_key) lines += "\n" + when + " -a '(holdfast key list --names 2>/dev/null)'";
  }
  return "# holdfast completion fish > ~/.config/fish/completions/holdfast.fish\n"
         "function __holdfast_at\n"
         "  set -l path ''\n"
         "  for word in (commandline -opc)[2..-1]\n"
         "    if contains -- \"$path $word\"" +
         known +
         "\n"
         "      set path \"$path $word\"\n"
         "    end\n"
         "  end\n"
         "  test \"$path\" = \"$argv[1]\"\n"
         "end" +
         lines;
}

}  // namespace

std::string completion_script(const CLI::App& app, const std::string& shell) {
  std::vector<Node> nodes;
  walk(app, "", nodes);
  if (shell == "bash") return bash_script(nodes);
  return shell == "zsh" ? zsh_script(nodes) : fish_script(nodes);
}

void add_completion_command(CLI::App& app, Context&) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("completion", "A completion script for your shell");
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer("Example:\n  source <(holdfast completion bash)");
  command->callback([&app, shell] { print(completion_script(app, *shell)); });
}

}  // namespace holdfast::cli
