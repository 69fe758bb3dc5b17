"""`watchkeeper completion`: prints a shell's completion script, generated from the commands."""

import argparse
from collections.abc import Iterator, Mapping

from app.client import SUCCESS
from app.client.screen import print_line

SHELLS = ("bash", "zsh", "fish")
BASH = """\
_watchkeeper() {{
    local word command="" words current="${{COMP_WORDS[COMP_CWORD]}}"
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$word" in -*) ;; *) command="$word"; break ;; esac
    done
    case "$command" in
{cases}
        *) words="" ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _watchkeeper watchkeeper
"""
ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


def run(shell: str, commands: Mapping[str, argparse.ArgumentParser], types: Mapping[str, list[str]]) -> int:
    """Print a shell's script. `types` are additional words of some commands."""
    words = {name: [*_options(parser), *_choices(parser), *types.get(name, ())] for name, parser in commands.items()}
    print_line(
        _fish_script(commands, words) if shell == "fish" else (ZSH if shell == "zsh" else "") + _bash_script(words)
    )
    return SUCCESS


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return [word for action in parser._actions for word in action.option_strings if word.startswith("--")]  # noqa: SLF001  # as below


def _choices(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:  # noqa: SLF001  # argparse has no public access
        if not action.option_strings:
            yield from map(str, action.choices or ())


def _bash_script(words: Mapping[str, list[str]]) -> str:
    lines = [f'        "") words="{" ".join(words)} --version --help" ;;']
    lines += [f'        {name}) words="{" ".join(options)}" ;;' for name, options in words.items()]
    return BASH.format(cases="\n".join(lines)).rstrip()


def _fish_script(commands: Mapping[str, argparse.ArgumentParser], words: Mapping[str, list[str]]) -> str:
    lines = []
    for name, parser in commands.items():
        text = (parser.description or "").replace("'", "\\'")
        lines.append(f"complete -c watchkeeper -f -n __fish_use_subcommand -a {name} -d '{text}'")
        plain = " ".join(word for word in words[name] if not word.startswith("-"))
        condition = f"'__fish_seen_subcommand_from {name}'"
        lines += [
            f"complete -c watchkeeper -n {condition} -l {word[2:]}" for word in words[name] if word.startswith("--")
        ]
        lines += [f"complete -c watchkeeper -n {condition} -a '{plain}'"] if plain else []
    return "\n".join(lines)
