# One static library a room of src/native, one test program beside it.

option(ENGRAM_WERROR "Warnings are errors" ON)

add_library(engram_options INTERFACE)
target_compile_options(engram_options INTERFACE -Wall -Wextra $<$<BOOL:${ENGRAM_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # At -O3 gcc 12 reports overflows in an inlined std::vector::resize or std::string that cannot happen.
  target_compile_options(engram_options INTERFACE -Wno-stringop-overflow -Wno-array-bounds -Wno-restrict)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  # The wheel runs on any x86-64-v2 processor; faster kernels are chosen at run time (src/native/simd).
  target_compile_options(engram_options INTERFACE -march=x86-64-v2)
endif()

if(ENGRAM_BUILD_TESTS)
  enable_testing()
  include(GoogleTest)
  include(cmake/googletest.cmake)
endif()

function(engram_room name)
  file(GLOB sources CONFIGURE_DEPENDS src/native/${name}/*.cpp)
  file(GLOB tests CONFIGURE_DEPENDS src/native/${name}/*_test.cpp)
  if(tests)
    list(REMOVE_ITEM sources ${tests})
  endif()
  if(NOT sources)
    return()
  endif()
  add_library(engram_${name} STATIC ${sources})
  target_include_directories(engram_${name} PUBLIC src/native)
  target_link_libraries(engram_${name} PUBLIC Threads::Threads PRIVATE engram_options)
  foreach(above ${ARGN})
    if(TARGET engram_${above})
      target_link_libraries(engram_${name} PUBLIC engram_${above})
    endif()
  endforeach()
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/src/native/${name}/flags.cmake)
    include(src/native/${name}/flags.cmake)
  endif()
  if(ENGRAM_BUILD_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE engram_${name} engram_options GTest::gtest_main)
    # PRE_TEST: asks the program for its tests when ctest runs, not while building, where neither `setarch`
    # (see the Makefile) nor the emulator of another processor may be around it.
    gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 120
                         PROPERTIES LABELS ${name} TIMEOUT 600)
  endif()
endfunction()
