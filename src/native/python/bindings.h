// One bind function a room; module.cpp calls them in this order.
#pragma once

#include <pybind11/pybind11.h>

namespace engram::python {

void bind_base(pybind11::module_& module);  // first: the others throw the errors it registers
void bind_info(pybind11::module_& module);
void bind_index(pybind11::module_& module);
void bind_store(pybind11::module_& module);
void bind_salvage(pybind11::module_& module);

}  // namespace engram::python
