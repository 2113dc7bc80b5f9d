#include "python/gil.h"

#include <unistd.h>

namespace py = pybind11;

namespace engram::python {
namespace {

bool finalizing() {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing() != 0;
#else
  return _Py_IsFinalizing() != 0;
#endif
}

// Whoever has the GIL while the interpreter ends is the one who ends it, and gets it back.
thread_local bool ends_interpreter = false;

bool must_stay() {
  return finalizing() && !ends_interpreter;
}

// The look beforehand spares nearly every such thread the unwinding, and a look at its freed state. The end
// may still begin while the thread waits for the GIL.
void restore(PyThreadState* state) {
  if (must_stay()) stay();
  or_stay([state] { PyEval_RestoreThread(state); });
}

}  // namespace

void stay() {
  for (;;) pause();
}

Released::Released() {
  ends_interpreter = finalizing();
  state_ = PyEval_SaveThread();
}

Released::~Released() {
  restore(state_);
}

Acquired::Acquired() {
  if (must_stay()) stay();
  state_ = or_stay([] { return PyGILState_Ensure(); });
}

Acquired::~Acquired() {
  PyGILState_Release(state_);
}

void check_signals() {
  if (must_stay()) return;  // the native work may hold locks: let it come to its end
  const Acquired gil;
  if (or_stay([] { return PyErr_CheckSignals(); }) != 0) throw py::error_already_set();
}

}  // namespace engram::python
