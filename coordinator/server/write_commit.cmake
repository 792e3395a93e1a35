# Writes OUT, a source file that says which commit of SOURCE this is; touches it only when that has changed. Run at every
# build, since a commit does not make CMake configure again.
set(commit "")
execute_process(
  COMMAND git --no-optional-locks describe --always --dirty --abbrev=40 --exclude=*
  WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
set(text "#include \"coordinator/server/provenance.h\"

std::string_view tutti::server::Commit() { return \"${commit}\"; }
")
set(before "")
if(EXISTS ${OUT})
  file(READ ${OUT} before)
endif()
if(NOT text STREQUAL before)
  file(WRITE ${OUT} "${text}")
endif()
