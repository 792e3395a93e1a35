// tutti completion bash|zsh|fish
#include <fmt/ranges.h>

#include <vector>

#include "cli/command_line.h"
#include "cli/console.h"
#include "cli/exit_codes.h"

namespace tutti::cli {
namespace {

struct Word {
  std::string text;
  std::string meaning;
};

struct CommandWords {
  Word name;
  std::vector<Word> options;
};

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

// What the program itself knows of its commands: nothing is said twice.
std::vector<CommandWords> WordsOf(const CLI::App& program) {
  std::vector<CommandWords> commands;
  for (const CLI::App* command : program.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_group().empty()) continue;  // not for people
    CommandWords words{{command->get_name(), FirstLine(command->get_description())}, {}};
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) {
        words.options.push_back({"--" + name, FirstLine(option->get_description())});
      }
    }
    commands.push_back(std::move(words));
  }
  return commands;
}

std::vector<std::string> Texts(const std::vector<Word>& words) {
  std::vector<std::string> texts;
  for (const Word& word : words) texts.push_back(word.text);
  return texts;
}

std::vector<std::string> Names(const std::vector<CommandWords>& commands) {
  std::vector<std::string> names;
  for (const CommandWords& command : commands) names.push_back(command.name.text);
  return names;
}

std::string ForBash(const std::vector<CommandWords>& commands) {
  std::string cases;
  for (const CommandWords& command : commands) {
    cases += fmt::format("    {}) words=\"{}\" ;;\n", command.name.text, fmt::join(Texts(command.options), " "));
  }
  return fmt::format(R"sh(# tutti completion bash > /etc/bash_completion.d/tutti, or: source <(tutti completion bash)
_tutti() {{
  local words="{}" word="${{COMP_WORDS[COMP_CWORD]}}"
  if [ "$COMP_CWORD" -gt 1 ]; then
    case "${{COMP_WORDS[1]}}" in
{}    *) words="" ;;
    esac
    case "${{COMP_WORDS[1]}} $word" in
    *" -"*) ;;
    "drain "*) words="$words $(tutti workers --quiet 2>/dev/null)" ;;
    *) words="$words $(tutti list --quiet 2>/dev/null)" ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}}
complete -o default -F _tutti tutti
)sh",
                     fmt::join(Names(commands), " "), cases);
}

// Within single quotes of a shell.
std::string Quoted(std::string text) {
  for (size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 4) text.replace(at, 1, R"('\'')");
  return "'" + text + "'";
}

std::string ForZsh(const std::vector<CommandWords>& commands) {
  std::string text =
      "#compdef tutti\n# tutti completion zsh > a folder of $fpath/_tutti\n_tutti() {\n  local -a words\n";
  text += "  if (( CURRENT == 2 )); then\n    words=(\n";
  for (const auto& [name, options] : commands) {
    text += fmt::format("      {}\n", Quoted(name.text + ":" + name.meaning));
  }
  text += "    )\n    _describe command words\n    return\n  fi\n  case $words[2] in\n";
  for (const auto& [name, options] : commands) {
    text += fmt::format("    {})\n      words=(\n", name.text);
    for (const Word& option : options) text += fmt::format("        {}\n", Quoted(option.text + ":" + option.meaning));
    text += "      ) ;;\n";
  }
  return text + "  esac\n  _describe option words\n  _files\n}\ncompdef _tutti tutti\n";
}

std::string ForFish(const std::vector<CommandWords>& commands) {
  std::string text = "# tutti completion fish > ~/.config/fish/completions/tutti.fish\n";
  for (const auto& [name, options] : commands) {
    text += fmt::format("complete -c tutti -n __fish_use_subcommand -a {} -d {}\n", name.text, Quoted(name.meaning));
    for (const Word& option : options) {
      text += fmt::format("complete -c tutti -n '__fish_seen_subcommand_from {}' -l {} -d {}\n", name.text,
                          option.text.substr(2), Quoted(option.meaning));
    }
  }
  return text;
}

int Complete(const CLI::App& program, const std::string& shell) {
  const auto commands = WordsOf(program);
  Print(shell == "bash" ? ForBash(commands) : shell == "zsh" ? ForZsh(commands) : ForFish(commands));
  return kExitDone;
}

}  // namespace

void AddCompletion(CLI::App& program, Action& chosen) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* command = program.add_subcommand("completion", "Print what makes a shell complete commands and options");
  command->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}).description(""))
      ->type_name("SHELL");
  command->callback([shell, &program, &chosen] { chosen = [shell, &program] { return Complete(program, *shell); }; });
}

}  // namespace tutti::cli
