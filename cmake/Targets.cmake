# One folder of src/ is one static library and one test program; both take every source file that lies there.

add_library(knaller_options INTERFACE)
target_compile_options(knaller_options INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wnon-virtual-dtor -Wimplicit-fallthrough -Werror
  # Designated initialisers leave out what has its default; GCC 12 warns of that all the same.
  -Wno-missing-field-initializers)
# GCC 12 sees copies in std::string's operator+ that overlap or overflow and are not there (its bug 105651); real ones are
# found by the sanitizers.
target_compile_options(knaller_options INTERFACE
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict -Wno-array-bounds -Wno-stringop-overflow>)
# All that Clang can warn of, but what speaks of other standards, of the C library's own macros, or of taste: padding, objects with
# constructors outside of functions, a default for the rest of an enumeration's values.
target_compile_options(knaller_options INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Weverything -Wno-c++98-compat -Wno-c++98-compat-pedantic
  -Wno-padded -Wno-global-constructors -Wno-exit-time-destructors -Wno-weak-vtables -Wno-unsafe-buffer-usage -Wno-switch-enum
  -Wno-extra-semi-stmt -Wno-ctad-maybe-unsupported -Wno-disabled-macro-expansion -Wno-reserved-identifier -Wno-used-but-marked-unused>)
target_compile_definitions(knaller_options INTERFACE _FILE_OFFSET_BITS=64 _GNU_SOURCE
  KNALLER_VERSION="${PROJECT_VERSION}" $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
if(KNALLER_SANITIZE)
  # What the processor finds itself costs a third of the compiler's time.
  target_compile_options(knaller_options INTERFACE -fsanitize=${KNALLER_SANITIZE} -fno-sanitize=null,alignment,object-size,vptr
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(knaller_options INTERFACE -fsanitize=${KNALLER_SANITIZE})
  # Compilers have no common word for it.
  if(KNALLER_SANITIZE MATCHES address)
    target_compile_definitions(knaller_options INTERFACE KNALLER_ASAN)
  else()
    target_compile_definitions(knaller_options INTERFACE KNALLER_TSAN)
  endif()
endif()
target_include_directories(knaller_options INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
# A program keeps those functions of its libraries that it calls, and its relative relocations in bits rather than in 24 bytes each: a
# quarter less to install, and to read at every start. (Relocations so: glibc 2.36, binutils 2.38.)
include(CheckLinkerFlag)
check_linker_flag(CXX LINKER:-z,pack-relative-relocs KNALLER_PACKED_RELOCATIONS)
if(NOT KNALLER_SANITIZE)
  target_compile_options(knaller_options INTERFACE $<$<CONFIG:RelWithDebInfo>:-ffunction-sections>)
  target_link_options(knaller_options INTERFACE $<$<CONFIG:RelWithDebInfo>:LINKER:--gc-sections>
    $<$<BOOL:${KNALLER_PACKED_RELOCATIONS}>:LINKER:-z,pack-relative-relocs>)
endif()
if(KNALLER_CCACHE)
  target_compile_options(knaller_options INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)
endif()

# Headers of the standard library and of others that most files read, compiled once: reading them is a third of a build
# from nothing. Every file includes what it uses all the same; the debug preset, which clang-tidy checks, does without this.
set(KNALLER_COMMON_HEADERS <algorithm> <array> <chrono> <cstdint> <cstring> <filesystem> <functional> <map> <memory> <mutex>
  <optional> <string> <string_view> <thread> <vector> <fmt/format.h> <nlohmann/json.hpp>)

# knaller_common_headers(TARGET FIRST [header ...]): FIRST compiles them, and these in addition, and the others read what it has.
# GCC wants the same options for both, and those of libraries and programs differ.
function(knaller_common_headers target first)
  if(target STREQUAL first)
    target_precompile_headers(${target} PRIVATE ${KNALLER_COMMON_HEADERS} ${ARGN})
  else()
    target_precompile_headers(${target} REUSE_FROM ${first})
  endif()
endfunction()

# knaller_folder(NAME [library ...]): src/NAME/*.cc (without *_test.cc and *_main.cc) becomes knaller_NAME, linked with the
# given libraries; src/NAME/*_test.cc become the program NAME_test, run by ctest, and src/NAME/*_system_test.cc, which need
# namespaces and devices, the program system_NAME_test, run once as root and once as an ordinary user.
# After SUBFOLDERS come those of its folders that belong to it. A SMALL one is code that runs once for each command: compiled for size.
function(knaller_folder name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "SMALL" "" SUBFOLDERS)
  set(folder ${CMAKE_SOURCE_DIR}/src/${name})
  set(patterns ${folder}/*.cc)
  foreach(subfolder ${arg_SUBFOLDERS})
    list(APPEND patterns ${folder}/${subfolder}/*.cc)
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  set(tests ${sources})
  set(system_tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|main)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER tests EXCLUDE REGEX "_system_test\\.cc$")
  list(FILTER system_tests INCLUDE REGEX "_system_test\\.cc$")
  if(NOT sources)
    return()
  endif()
  add_library(knaller_${name} STATIC ${sources})
  set_target_properties(knaller_${name} PROPERTIES UNITY_BUILD ${KNALLER_UNITY})
  target_link_libraries(knaller_${name} PUBLIC knaller_options ${arg_UNPARSED_ARGUMENTS})
  if(arg_SMALL)
    target_compile_options(knaller_${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-Os>)
    knaller_common_headers(knaller_${name} knaller_${name})
  else()
    knaller_common_headers(knaller_${name} knaller_base)
  endif()
  if(tests)
    knaller_test_program(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE knaller_${name})
    knaller_test(unit ${name} COMMAND $<TARGET_FILE:${name}_test>)
  endif()
  if(system_tests)
    knaller_gtest(system ${name} ${system_tests} LIBRARIES knaller_${name} AS root user)
  endif()
  if(EXISTS ${folder}/CMakeLists.txt)
    add_subdirectory(${folder} ${CMAKE_BINARY_DIR}/src/${name})
  endif()
endfunction()

# knaller_program(NAME SOURCE [library ...]): a program, put into the build's bin/ folder.
function(knaller_program name source)
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE knaller_options ${ARGN})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# knaller_call_filter(LIBRARY NAME SOURCE): SOURCE is a program of the build that writes NAME.inc, a filter of system calls that
# LIBRARY includes; so libseccomp is no part of what runs.
function(knaller_call_filter library name source)
  add_executable(make_${name} ${source})
  target_link_libraries(make_${name} PRIVATE PkgConfig::seccomp)
  target_include_directories(make_${name} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_compile_options(make_${name} PRIVATE -Wall -Wextra -Werror)
  set(steps ${CMAKE_CURRENT_BINARY_DIR}/${name}.inc)
  add_custom_command(OUTPUT ${steps} COMMAND make_${name} > ${steps} DEPENDS make_${name} VERBATIM)
  add_custom_target(${name} DEPENDS ${steps})
  add_dependencies(${library} ${name})
  target_include_directories(${library} PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
endfunction()
