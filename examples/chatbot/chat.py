"""Talk with the chatbot: ``python -m examples.chatbot.chat``, or sentences on standard input, one a line.

The networks are those that ``python -m examples chatbot`` has trained and saved; where there are none they are trained
first, which takes about a minute.
"""

import sys
import tomllib
from pathlib import Path

import click

import pellucid as pel
from examples.chatbot.example import Bot, entropy, load, train
from examples.harness import Setting

ANSWERS = tomllib.loads(Path(__file__).with_name("answers.toml").read_text(encoding="utf-8"))
UNKNOWN = "I do not know that. I can help with banking, travel, cars, work, cooking and the house."


def answer(bot: Bot, text: str, why: bool = False) -> str:
    """What the bot says to a sentence; with ``why`` also how sure it is, and which words decided."""
    probabilities = bot.probabilities([text])
    intent, spread = str(bot.intents[probabilities[0].argmax()]), float(entropy(probabilities)[0])
    generic = f"I understand that this is about: {intent.replace('_', ' ')}. I have no answer prepared."
    said = UNKNOWN if spread > bot.threshold else ANSWERS.get(intent, generic)
    if not why:
        return said
    words = ", ".join(f"{word} {lost:+.2f}" for word, lost in sorted(bot.why(text), key=lambda pair: -abs(pair[1])))
    sure = f"{intent}, {probabilities.max():.0%}; spread {spread:.2f} bits of at most {bot.threshold:.2f}"
    return f"{said}\n  ({sure}; without the word: {words})"


@click.command()
@click.option("--why", is_flag=True, help="Also say how sure the answer is, and which words decided.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default="runs/examples/chatbot/full/seed-0", show_default=True
)
@click.option("--quick", is_flag=True, help="Where it has to be trained first: on every tenth intent.")
def main(why: bool, folder: Path, quick: bool) -> None:
    """Answer sentences by their intent, until the input ends."""
    try:
        if not (folder / "threshold.json").exists():
            click.echo("There is no trained bot yet: training it.", err=True)
            folder.mkdir(parents=True, exist_ok=True)
            train(Setting(0, quick, folder, folder / "chatbot"))
        bot = load(folder)
    except pel.PellucidError as error:
        raise click.ClickException(str(error)) from error
    at_terminal = sys.stdin.isatty()
    if at_terminal:
        click.echo("Ask me something; an empty line ends.")
    while line := (input("> ") if at_terminal else sys.stdin.readline()).strip():
        click.echo(answer(bot, line, why))


if __name__ == "__main__":
    main()
