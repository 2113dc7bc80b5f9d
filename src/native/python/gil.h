// Letting go of the interpreter's lock (the GIL) around native work, and taking it back.
//
// Thread-safety: each object belongs to the thread that made it.
// Invariant: a thread that cannot have the GIL back, because the interpreter has ended around it (a daemon
// thread's lot), stays in here for ever. Python before 3.14 ends such a thread with pthread_exit, which
// unwinds its stack: through destructors, which must not throw, and through code that would then touch Python
// without the GIL. Every call into Python that may wait for the GIL below native frames goes through
// `or_stay`.
#pragma once

#include <pybind11/pybind11.h>

namespace engram::python {

// Never returns; the end of the process ends it.
[[noreturn]] void stay();

// What `call`, which calls nothing but Python's C functions, returns. They do not throw: what comes through
// them is the unwinding of this thread, and it ends here.
template <class Call>
auto or_stay(Call&& call) {
  try {
    return call();
  } catch (...) {
    stay();
  }
}

// What Python's `function` returns for `arguments`. Errors: py::error_already_set.
template <class... Arguments>
pybind11::object call_python(const pybind11::function& function, const Arguments&... arguments) {
  PyObject* const result =
      or_stay([&] { return PyObject_CallFunctionObjArgs(function.ptr(), arguments.ptr()..., nullptr); });
  if (result == nullptr) throw pybind11::error_already_set();
  return pybind11::reinterpret_steal<pybind11::object>(result);
}

// Without the GIL while it lives. As a local, or as py::call_guard<Released>.
class Released {
 public:
  Released();
  ~Released();
  Released(const Released&) = delete;
  Released& operator=(const Released&) = delete;

 private:
  PyThreadState* state_;
};

// With the GIL while it lives, in a thread that let go of it with Released.
class Acquired {
 public:
  Acquired();
  ~Acquired();
  Acquired(const Acquired&) = delete;
  Acquired& operator=(const Acquired&) = delete;

 private:
  PyGILState_STATE state_;
};

// Runs while a call waits without the GIL: lets Ctrl-C through.
void check_signals();

}  // namespace engram::python
