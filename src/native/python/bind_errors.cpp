#include "base/error.h"
#include "python/bindings.h"

namespace py = pybind11;

namespace engram::python {
namespace {

// The Python classes live in engram._errors, so that they are documented and typed there.
py::object error_class(const char* name) { return py::module_::import("engram._errors").attr(name); }

void raise(const char* name, const std::exception& error) {
  PyErr_SetString(error_class(name).ptr(), error.what());
}

void raise_corruption(const CorruptionError& error) {
  const py::object raised = error_class("CorruptionError")(error.what(), error.file, error.offset);
  PyErr_SetObject(error_class("CorruptionError").ptr(), raised.ptr());
}

void translate(std::exception_ptr pointer) {
  if (!pointer) return;
  try {
    std::rethrow_exception(pointer);
  } catch (const CorruptionError& error) {
    raise_corruption(error);
  } catch (const DimensionMismatch& error) {
    raise("DimensionMismatch", error);
  } catch (const InvalidVector& error) {
    raise("InvalidVector", error);
  } catch (const InvalidInput& error) {
    raise("InvalidInput", error);
  } catch (const StoreLocked& error) {
    raise("StoreLocked", error);
  } catch (const StoreClosed& error) {
    raise("StoreClosed", error);
  } catch (const ReadOnlyStore& error) {
    raise("ReadOnlyStore", error);
  } catch (const QueueFull& error) {
    raise("QueueFull", error);
  } catch (const UnsupportedFormat& error) {
    raise("UnsupportedFormat", error);
  } catch (const DurabilityError& error) {
    raise("DurabilityError", error);
  } catch (const OutOfSpace& error) {
    raise("OutOfSpace", error);
  } catch (const Error& error) {
    raise("EngramError", error);
  }
}

}  // namespace

void bind_errors(py::module_&) { py::register_local_exception_translator(&translate); }

}  // namespace engram::python
