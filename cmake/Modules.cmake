# One target a module, with its sources and what it may use: what is not listed here cannot be linked.

find_program(TUTTI_CCACHE ccache)
if(TUTTI_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${TUTTI_CCACHE})
endif()

add_library(tutti_options INTERFACE)
target_compile_options(tutti_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
target_include_directories(tutti_options INTERFACE ${CMAKE_SOURCE_DIR})
target_link_libraries(tutti_options INTERFACE Threads::Threads)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC follows values into the inlined standard library and there reports falsely, differently at each level of
  # optimisation: the first two often (GCC bugs 105651 and 105562), the others must not stop a user's build.
  target_compile_options(
    tutti_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized -Wno-error=stringop-overflow
                            -Wno-error=stringop-overread -Wno-error=array-bounds -Wno-error=free-nonheap-object)
endif()
if(TUTTI_SANITIZE)
  add_compile_options(-fsanitize=${TUTTI_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TUTTI_SANITIZE})
  if(TUTTI_SANITIZE MATCHES "thread")
    # ThreadSanitizer does not know fences. Asio's only repeat what its locks say.
    add_compile_definitions(BOOST_ASIO_DISABLE_FENCED_BLOCK)
  endif()
endif()

# tutti_module(NAME SOURCES file... USES target...)
function(tutti_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC ${arg_USES} PRIVATE tutti_options)
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC Threads::Threads)
endfunction()

# tutti_test(NAME SOURCES file... USES target...): one program of GoogleTest cases. tests/programs.txt of the build names
# them all, for scripts/run_tests.py; other programs that tests start are not in it.
function(tutti_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_USES} tutti_options GTest::gmock_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  set_property(GLOBAL APPEND PROPERTY tutti_tests ${name})
endfunction()
