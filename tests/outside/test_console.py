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
        # jupyter_console hands Ctrl-C on only while it waits for a cell.
        self.say('print("begun"); loop {}', r"\nbegun")
        self.console.sendintr()
        self.console.expect("Interrupted")
        self.console.expect(r"In \[5\]: ")
        self.say("x", r"Out\[5\]: 6", r"In \[6\]: ")
        for complaint in ("WARNING", "Warning", "Traceback (most recent"):
            self.assertNotIn(complaint, self.console.before)
        self.console.sendeof()
        self.console.expect("really want to exit")
        self.console.sendline("y")
        self.console.expect(pexpect.EOF)


def terminal(*arguments):
    return pexpect.spawn(
        os.environ["MINERVA"], list(arguments), env=environment(), encoding="utf-8", timeout=TIMEOUT, dimensions=(24, 100)
    )


class Script(unittest.TestCase):
    def test_questions_in_a_terminal(self):
        script = terminal("-e", 'let a = input("who? "); let b = password("key? "); print(`<${a}> <${b}>`); input("more? ")')
        script.expect(r"who\? ")
        script.sendline("Éva")
        script.expect(r"key\? ")
        script.sendline("hidden")
        script.expect("<Éva> <hidden>")
        self.assertNotIn("hidden", script.before, "what is typed is not shown")
        script.expect(r"more\? ")
        script.sendintr()
        script.expect("Interrupted")
        script.expect(pexpect.EOF)
        script.close()
        self.assertEqual(script.exitstatus, 130)

    def test_a_display_is_redrawn_in_its_place(self):
        script = terminal("-e", 'let d = display("a"); for i in 0..3 { d.update(i) } print("end")')
        script.expect(pexpect.EOF)
        self.assertEqual(script.before.count("\x1b[1A\x1b[J"), 3, script.before)


class Repl(unittest.TestCase):
    def test_the_history_of_kernels_is_at_hand_in_the_repl(self):
        from support import client, kernel, reply_to

        with kernel() as manager, client(manager) as connected:
            reply_to(connected, connected.execute("let typed_in_a_kernel = 5"))
        repl = terminal("repl")
        repl.expect(r"In\[1\]")
        repl.send("\x1b[A")
        repl.expect("typed_in_a_kernel")
        repl.close(force=True)


if __name__ == "__main__":
    unittest.main()
