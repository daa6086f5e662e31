"""nbclient executes a notebook with this kernel: outputs, errors, interrupts on time-out."""

import unittest

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

from support import Quiet


def notebook(*sources):
    made = nbformat.v4.new_notebook()
    made.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return made


def execute(nb, **options):
    NotebookClient(nb, kernel_name="minerva", timeout=20, **options).execute()
    nbformat.validate(nb)
    return nb


class NbClient(Quiet):
    def test_outputs(self):
        nb = execute(notebook("let x = 20; print(x);", "x * 2 + 2", 'display(1, "d");', 'display(2, "d");'))
        self.assertEqual(nb.cells[0].outputs[0].text, "20\n")
        self.assertEqual(nb.cells[1].outputs[0].data["text/plain"], "42")
        self.assertEqual(nb.cells[2].outputs[0].data["text/plain"], "2", "the display is updated in place")
        self.assertEqual([c.execution_count for c in nb.cells], [1, 2, 3, 4])
        self.assertEqual(nb.metadata.language_info.name, "rhai")

    def test_flood(self):
        nb = execute(notebook("for i in 0..100000 { print(i) }"), coalesce_streams=True)
        lines = nb.cells[0].outputs[0].text.splitlines()
        self.assertEqual(lines, [str(i) for i in range(100000)])

    def test_error(self):
        nb = notebook("1", 'throw "no"', "2")
        with self.assertRaises(CellExecutionError) as raised:
            execute(nb)
        self.assertIn("no", str(raised.exception))
        self.assertEqual(nb.cells[1].outputs[0].output_type, "error")
        self.assertIsNone(nb.cells[2].execution_count)

    def test_errors_allowed(self):
        nb = execute(notebook('throw "no"', "2"), allow_errors=True)
        self.assertEqual(nb.cells[1].outputs[0].data["text/plain"], "2")


# nbclient warns of a time-out itself.
class TimeOuts(unittest.TestCase):
    def test_interrupt_on_timeout(self):
        nb = notebook("let kept = 5; loop {}", "kept")
        client = NotebookClient(nb, kernel_name="minerva", timeout=1, interrupt_on_timeout=True, allow_errors=True)
        client.execute()
        self.assertEqual(nb.cells[1].outputs[0].data["text/plain"], "5")

    def test_timeout(self):
        with self.assertRaises(CellTimeoutError):
            NotebookClient(notebook("loop {}"), kernel_name="minerva", timeout=1).execute()


if __name__ == "__main__":
    unittest.main()
