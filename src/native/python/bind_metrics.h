// Histograms and the recall probe, for bind_store.cpp.
#pragma once

#include <pybind11/pybind11.h>

#include "engine/store.h"

namespace engram::python {

void bind_metrics(pybind11::module_& module, pybind11::class_<engine::Store>& store);

}  // namespace engram::python
