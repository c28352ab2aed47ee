#!/usr/bin/env python3
"""Talks with `percept run` on a pseudo terminal and checks what comes back. Usage: chat.py PERCEPT"""

import os
import pty
import select
import signal
import sys
import time

MODEL, SHAPES = "tests/golden/llava/hf", "tests/golden/llava/shapes.png"
PROMPT = b"> "


class Chat:
    def __init__(self, *options):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execv(sys.argv[1], [sys.argv[1], "run", MODEL, *options])
        self.read()

    def read(self):
        """Everything up to the next prompt or the end."""
        out, end = b"", time.time() + 60
        while time.time() < end and not out.endswith(PROMPT):
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    piece = os.read(self.terminal, 65536)
                except OSError:
                    break
                if not piece:
                    break
                out += piece
        return out

    def say(self, line):
        os.write(self.terminal, line.encode() + b"\n")
        out = self.read().replace(b"\r\n", b"\n")
        echo = line.encode() + b"\n"
        assert out.startswith(echo), out
        return out[len(echo):].removesuffix(PROMPT)

    def code(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def main():
    chat = Chat("-n", "6")
    hello = chat.say("Is there a star?")
    assert hello.endswith(b"\n") and len(hello) > 1, hello
    assert b"cannot open" in chat.say("/image no/such.png")
    assert b"45 x 33" in chat.say("/image " + SHAPES)
    first = chat.say("What is the colour?")
    second = chat.say("What is the colour?")  # the same words, but with a history
    assert first != second, first
    chat.say("/clear")
    assert chat.say("Is there a star?") == hello
    assert b"/exit" in chat.say("/help")
    chat.say("/exit")
    assert chat.code() == 0

    chat = Chat("-n", "6")
    os.kill(chat.pid, signal.SIGINT)
    assert chat.code() == 130

    chat = Chat("-n", "6")
    os.write(chat.terminal, b"\x04")
    assert chat.code() == 0


if __name__ == "__main__":
    main()
