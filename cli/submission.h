// An experiment on its way to a coordinator, with the files that it names.
#pragma once

#include "cli/client.h"
#include "cli/experiment.h"
#include "common/result.h"

namespace tutti::cli {

// Reads and hashes its files. Errors: kNotFound, kDenied, kIo of a file that went since it was looked at.
Result<Client::Submission> SubmissionOf(const Experiment& experiment);

// Sends the files that the coordinator asks for, and no others, and submits. Called again it goes on where it ended.
// Errors: those of the coordinator; kCorrupt, a file changed meanwhile.
Result<Client::Submitted> SubmitWithFiles(const Client& client, const Client::Submission& submission);

}  // namespace tutti::cli
