"""`jupyter console`, as a person types into it, and the REPL beside it, which shares its history."""

import os
import sys
import unittest

import pexpect

from support import TIMEOUT, environment


class Console(unittest.TestCase):
    def setUp(self):
        command = [sys.executable, "-m", "jupyter_console", "--kernel", "minerva", "--simple-prompt"]
        self.console = pexpect.spawn(command[0], command[1:], env=environment(), encoding="utf-8", timeout=TIMEOUT)
        self.console.expect(r"In \[1\]: ")

    def tearDown(self):
        self.console.close(force=True)

    def say(self, line, *expected):
        self.console.sendline(line)
        for text in expected:
            self.console.expect(text)

    def test_a_conversation(self):
        self.say("let x = 6; x * 7", r"Out\[1\]: 42", r"In \[2\]: ")
        self.say("let name = input(\"who? \"); \"hello \" + name", r"who\? ")
        self.say("Éva", r'"hello Éva"', r"In \[3\]: ")
        self.say("nothing_here + 1", "VariableNotFound", r"In \[4\]: ")
        self.say("loop {}")
        self.console.sendintr()
        self.console.expect("Interrupted")
        self.console.expect(r"In \[5\]: ")
        self.say("x", r"Out\[5\]: 6", r"In \[6\]: ")
        for complaint in ("WARNING", "Warning", "Traceback (most recent"):
            self.assertNotIn(complaint, self.console.before)
        self.console.sendeof()
        self.console.expect(pexpect.EOF)


class Repl(unittest.TestCase):
    def test_the_history_of_kernels_is_at_hand_in_the_repl(self):
        from support import client, kernel, reply_to

        with kernel() as manager, client(manager) as connected:
            reply_to(connected, connected.execute("let typed_in_a_kernel = 5"))
        repl = pexpect.spawn(
            os.environ["MINERVA"], ["repl"], env=environment(), encoding="utf-8", timeout=TIMEOUT, dimensions=(24, 100)
        )
        repl.expect(r"In\[1\]")
        repl.send("\x1b[A")
        repl.expect("typed_in_a_kernel")
        repl.close(force=True)


if __name__ == "__main__":
    unittest.main()
