// What is generated from the table of keys and the descriptors: the JSON Schema and the docs' tables.
#pragma once

#include <string>
#include <string_view>

#include "common/json.h"
#include "common/result.h"

namespace tutti::spec {

// JSON Schema (2020-12) of an experiment file, for editors: configs/experiment.schema.json. It knows what each key
// takes, not what only holds together (min_lr and lr).
Json ExperimentSchema();

// Markdown: a table of all keys, and a table of each kind of choice.
std::string KeysTable();
std::string ChoicesTables();

// `page` with the text between the lines "<!-- NAME: generated -->" and "<!-- NAME: end -->" replaced. kNotFound when
// the page lacks them.
Result<std::string> ReplaceGenerated(std::string_view page, std::string_view name, std::string_view text);

}  // namespace tutti::spec
