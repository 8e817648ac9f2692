# One folder of src/ is one static library and one test program; both take every source file that lies there.

# Missing initialisers are how options are left at their defaults: {.name = "web"}.
add_library(knaller_options INTERFACE)
target_compile_options(knaller_options INTERFACE
  -Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wconversion -Wnon-virtual-dtor -Wimplicit-fallthrough -Werror)
target_compile_definitions(knaller_options INTERFACE _FILE_OFFSET_BITS=64 _GNU_SOURCE
  KNALLER_VERSION="${PROJECT_VERSION}" $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
if(KNALLER_SANITIZE)
  target_compile_options(knaller_options INTERFACE -fsanitize=${KNALLER_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(knaller_options INTERFACE -fsanitize=${KNALLER_SANITIZE})
endif()
target_include_directories(knaller_options INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)

# knaller_folder(NAME [library ...]): src/NAME/*.cc (without *_test.cc and *_main.cc) becomes knaller_NAME, linked with the
# given libraries; src/NAME/*_test.cc become the program NAME_test, run by ctest.
function(knaller_folder name)
  set(folder ${CMAKE_SOURCE_DIR}/src/${name})
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|main)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(NOT sources)
    return()
  endif()
  add_library(knaller_${name} STATIC ${sources})
  target_link_libraries(knaller_${name} PUBLIC knaller_options ${ARGN})
  if(tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE knaller_${name} GTest::gtest GTest::gmock GTest::gtest_main)
    add_test(NAME unit.${name} COMMAND ${name}_test)
    set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT 300)
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
