#include "tests/support/temporary_folder.h"

#include <stdlib.h>  // mkdtemp

#include <string>
#include <system_error>

#include "common/result.h"

namespace tutti::testing {

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "tutti-test-XXXXXX").string();
  TUTTI_CHECK(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace tutti::testing
