# How tests are declared. Each has one label (unit, fakes, system, e2e, cli, compat, install, fuzz, crash), a name that begins with it, the
# programs of this build first on PATH, and a report from which skips are collected (tests/lib/skips).

# With sanitizers the tests are named asan.… or tsan.…, so that one ctest run can hold all builds. Those that take long there are
# also labelled `full`: `./dev test` leaves them out unless it is given --full. Data races are looked for by the unit tests of
# folders that have threads: what others reach in processes of their own shares no memory.
set(KNALLER_REPORTS ${CMAKE_BINARY_DIR}/reports)
file(MAKE_DIRECTORY ${KNALLER_REPORTS})
# Tests that run as another user write here too.
file(CHMOD ${KNALLER_REPORTS} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_WRITE GROUP_EXECUTE
  WORLD_READ WORLD_WRITE WORLD_EXECUTE)
set(KNALLER_THOROUGH 1 CACHE STRING "How many times the usual time and samples tests take that could go on for ever (./dev test --full)")
set(KNALLER_TEST_PREFIX "")
if(KNALLER_SANITIZE)
  set(sanitizer asan)
  if(KNALLER_SANITIZE MATCHES thread)
    set(sanitizer tsan)
    set(threaded_folders base cli disk entry firecracker memory monitor portable store vm)
  endif()
  set(KNALLER_TEST_PREFIX ${sanitizer}.)
  # Built while other tests run: those with guests leave processors idle. At the lowest priority, so that none waits for it.
  if(KNALLER_THOROUGH EQUAL 1 OR sanitizer STREQUAL "tsan")
    set(build_target quick)
  else()
    set(build_target all)
  endif()
  add_test(NAME ${sanitizer}.build COMMAND nice -n 19 ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --parallel 2 --target ${build_target})
  set_tests_properties(${sanitizer}.build PROPERTIES LABELS build TIMEOUT 3600 FIXTURES_SETUP ${sanitizer})
endif()

# Everything that the tests need that are not left to --full: knaller's own programs, and those that the tests are.
add_custom_target(quick)

# knaller_test(LABEL NAME COMMAND word ... [GUESTS] [SANITIZED] [TIMEOUT seconds]): a test that is any command. It skips with
# exit code 77 and a line "skip: REASON". GUESTS: it counts as two (guests under emulation take a processor each).
# SANITIZED: runs with sanitizers too, as unit, fakes and the programs of system always do. BATS: it is a bats file.
function(knaller_test label name)
  if(sanitizer STREQUAL "tsan" AND NOT (label STREQUAL "unit" AND name IN_LIST threaded_folders))
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 2 arg "GUESTS;SANITIZED;BATS" "TIMEOUT" "COMMAND")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  math(EXPR timeout "${arg_TIMEOUT} * ${KNALLER_THOROUGH}")
  set(full_name ${KNALLER_TEST_PREFIX}${label}.${name})
  set(labels ${label})
  if(KNALLER_SANITIZE AND NOT arg_SANITIZED AND (arg_BATS OR NOT label MATCHES "^(unit|fakes|system)$"))
    list(APPEND labels full)
  endif()
  if(NOT full IN_LIST labels AND arg_COMMAND MATCHES "TARGET_FILE:([^>]+)>")
    add_dependencies(quick ${CMAKE_MATCH_1})
  endif()
  add_test(NAME ${full_name} COMMAND ${arg_COMMAND})
  set_tests_properties(${full_name} PROPERTIES LABELS "${labels}" TIMEOUT ${timeout} SKIP_RETURN_CODE 77
    ENVIRONMENT "GTEST_BRIEF=1;GTEST_OUTPUT=xml:${KNALLER_REPORTS}/${full_name}.xml;KNALLER_SOURCE=${CMAKE_SOURCE_DIR};KNALLER_BUILD=${CMAKE_BINARY_DIR};KNALLER_BIN=${CMAKE_BINARY_DIR}/bin;KNALLER_THOROUGH=${KNALLER_THOROUGH}"
    ENVIRONMENT_MODIFICATION "PATH=path_list_prepend:${CMAKE_BINARY_DIR}/bin")
  if(arg_GUESTS)
    set_tests_properties(${full_name} PROPERTIES PROCESSORS 2)
  endif()
  if(KNALLER_SANITIZE)
    # Whoever waits waits longer.
    set_tests_properties(${full_name} PROPERTIES FIXTURES_REQUIRED ${sanitizer})
    set_property(TEST ${full_name} APPEND PROPERTY ENVIRONMENT KNALLER_PATIENCE=5)
  endif()
endfunction()

# knaller_test_program(NAME source ...): a GoogleTest program. Its own code is not worth the optimizer's time.
function(knaller_test_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE knaller_options GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_options(${name} PRIVATE -O0)
  knaller_common_headers(${name} base_test <gmock/gmock.h> <gtest/gtest.h>)
endfunction()

# knaller_gtest(LABEL NAME SOURCE ... [LIBRARIES library ...] [AS root|user ...] and what knaller_test takes): a GoogleTest
# program, run as whoever runs ctest or, with AS, once as root and/or once as an ordinary user, both with usable devices.
function(knaller_gtest label name)
  cmake_parse_arguments(PARSE_ARGV 2 arg "GUESTS;SANITIZED" "TIMEOUT" "LIBRARIES;AS")
  set(program ${label}_${name}_test)
  knaller_test_program(${program} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${program} PRIVATE ${arg_LIBRARIES})
  set(more "")
  foreach(flag GUESTS SANITIZED)
    if(arg_${flag})
      list(APPEND more ${flag})
    endif()
  endforeach()
  if(arg_TIMEOUT)
    list(APPEND more TIMEOUT ${arg_TIMEOUT})
  endif()
  if(NOT arg_AS)
    knaller_test(${label} ${name} COMMAND $<TARGET_FILE:${program}> ${more})
  endif()
  if("root" IN_LIST arg_AS)
    knaller_test(${label} ${name}.root COMMAND ${CMAKE_SOURCE_DIR}/tests/lib/with-devices $<TARGET_FILE:${program}> ${more})
  endif()
  if("user" IN_LIST arg_AS)
    knaller_test(${label} ${name}.user COMMAND ${CMAKE_SOURCE_DIR}/tests/lib/as-user $<TARGET_FILE:${program}> ${more})
  endif()
endfunction()

# knaller_bats(LABEL FILE ... and what knaller_test takes): each bats file is one test, run as an ordinary user.
function(knaller_bats label)
  cmake_parse_arguments(PARSE_ARGV 1 arg "GUESTS;SANITIZED" "TIMEOUT" "")
  set(more "")
  if(arg_GUESTS)
    list(APPEND more GUESTS)
  endif()
  if(arg_SANITIZED)
    list(APPEND more SANITIZED)
  endif()
  if(arg_TIMEOUT)
    list(APPEND more TIMEOUT ${arg_TIMEOUT})
  endif()
  foreach(file IN LISTS arg_UNPARSED_ARGUMENTS)
    get_filename_component(name ${file} NAME_WE)
    knaller_test(${label} ${name} BATS ${more} COMMAND ${CMAKE_SOURCE_DIR}/tests/lib/run-bats
      ${KNALLER_REPORTS}/${KNALLER_TEST_PREFIX}${label}.${name}.tap ${file})
  endforeach()
endfunction()
