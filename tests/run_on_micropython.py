"""Run the test_ functions of one module under MicroPython: `micropython run_on_micropython.py test_http`.

Small, because its heap is the tests' heap. tools/run_core_tests.py starts it once per module, sets the module
search path, and reads the last line.
"""

import gc
import sys


def run(name):
    module = __import__(name)
    passed = failed = 0
    for test in sorted(dir(module)):
        if test.startswith("test_"):
            gc.collect()
            try:
                getattr(module, test)()
                passed += 1
            except Exception as error:
                failed += 1
                print("FAILED %s::%s" % (name, test))
                sys.print_exception(error)
    print("%d passed, %d failed" % (passed, failed))
    return passed and not failed


sys.exit(0 if run(sys.argv[1]) else 1)
