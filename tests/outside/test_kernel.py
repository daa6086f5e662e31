"""jupyter_kernel_test, the suite that Jupyter offers to kernel authors. Nothing of it is left out but the pager, which
this kernel does not use."""

import unittest

import jupyter_kernel_test

from support import Quiet


class Minerva(Quiet, jupyter_kernel_test.KernelTests):
    kernel_name = "minerva"
    language_name = "rhai"
    file_extension = ".rhai"

    code_hello_world = 'print("hello, world")'
    code_stderr = "debug(1)"
    completion_samples = [
        {"text": "let quite_a_long_name = 1; quite_a_long_n", "matches": {"quite_a_long_name"}},
    ]
    complete_code_samples = ["1", "print(1)", "fn f(x) { x * 2 }", "let a = `\n`;"]
    incomplete_code_samples = ["fn f(x) {", "print(", "let a = [1,", "let s = `open"]
    invalid_code_samples = ["1 + ) 2", "let = 3", "fn 1() {}"]
    code_generate_error = 'throw "no"'
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": '"a" + "b"', "result": '"ab"'},
        {"code": 'html("<b>1</b>")', "mime": "text/html", "result": "<b>1</b>"},
        {"code": "7 * 6", "result": "42"},
    ]
    code_display_data = [
        {"code": 'display(html("<i>2</i>"))', "mime": "text/html"},
        {"code": 'display(markdown("*2*"))', "mime": "text/markdown"},
    ]
    code_history_pattern = "6*7"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "print"
    code_clear_output = "clear_output()"


class Welcome(Quiet, jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "minerva"
    support_iopub_welcome = True


if __name__ == "__main__":
    unittest.main()
