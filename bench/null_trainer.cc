// A trainer that does nothing, as fast as a process can: it reads its task and leaves what a member has to leave, two
// predictions and a checkpoint of 16 numbers, unsynced. What a run of many of these takes is what Tutti itself costs.
//
// usage: null_trainer inspect|train TASK
//        null_trainer bare COUNT AT_ONCE   starts itself COUNT times, AT_ONCE side by side: what the processes cost
//        alone
//
// Linked statically: it starts in half a millisecond.

#define XXH_INLINE_ALL
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace {

using Json = nlohmann::json;

constexpr int kTrainingSamples = 20;
constexpr int kTestSamples = 10;
constexpr int kClasses = 2;
constexpr int64_t kStep = 1;

[[noreturn]] void Give(const char* what, const std::string& path) {
  std::perror((std::string(what) + " " + path).c_str());
  std::exit(74);
}

std::string Read(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) Give("cannot open", path);
  std::string text;
  char piece[1 << 14];
  for (ssize_t got = 0; (got = read(file, piece, sizeof(piece))) > 0;) text.append(piece, static_cast<size_t>(got));
  close(file);
  return text;
}

void Write(const std::string& path, const std::string& text, int flags = O_EXCL) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
  if (file < 0 || write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    Give("cannot write", path);
  close(file);
}

void MakeFolder(const std::string& path) {
  if (mkdir(path.c_str(), 0755) != 0) Give("cannot make", path);
}

std::string Hash(const std::string& text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  char digits[33];
  std::snprintf(digits, sizeof(digits), "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return digits;
}

struct Tensor {
  std::string name;
  const char* dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

template <typename T>
std::string BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string Safetensors(const std::vector<Tensor>& tensors) {
  Json header = Json::object();
  std::string data;
  for (const Tensor& tensor : tensors) {
    const size_t begin = data.size();
    data += tensor.bytes;
    header[tensor.name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + text + data;
}

// A trainer's life in the files of its attempt.
class Attempt {
 public:
  explicit Attempt(const Json& task)
      : task_(task),
        folder_(task.at("folder").get<std::string>()),
        within_(folder_.substr(task.at("ensemble_folder").get<std::string>().size() + 1)) {}

  void Inspect() {
    std::vector<int64_t> labels;
    for (int64_t id = 0; id < kTrainingSamples + kTestSamples; ++id) labels.push_back(id % kClasses);
    Write(folder_ + "/labels.safetensors",
          Safetensors({{"labels", "I64", {static_cast<int64_t>(labels.size())}, BytesOf(labels)}}));
    Say({{"event", "inspected"},
         {"training_samples", kTrainingSamples},
         {"test_samples", kTestSamples},
         {"classes", kClasses},
         {"class_names", Json::array()},
         {"channels", 1},
         {"height", 1},
         {"width", 1},
         {"data_hash", Hash("nothing")},
         {"file", within_ + "/labels.safetensors"}});
  }

  void Train() {
    Say({{"event", "started"},
         {"step", 0},
         {"total_steps", kStep},
         {"steps_per_epoch", kStep},
         {"world_size", 1},
         {"provenance", Json::object()},
         {"version", 3}});
    WriteCheckpoint();
    MakeFolder(folder_ + "/predictions");
    MakeFolder(folder_ + "/predictions/last");
    WritePredictions("validation");
    WritePredictions("test");
    Say({{"event", "finished"}, {"step", kStep}, {"train_seconds", 0.0}, {"seconds", 0.0}});
  }

  void End() { Write(task_.at("events").get<std::string>(), events_, O_APPEND); }

 private:
  void Say(const Json& event) { events_ += event.dump() + "\n"; }

  void WriteCheckpoint() {
    const std::string name = "/step-00000001";
    MakeFolder(folder_ + name);
    Json files = Json::array();
    for (const char* file : {"model.safetensors", "training.safetensors"}) {
      const std::string bytes = Safetensors({{"weight", "F32", {16}, BytesOf(std::vector<float>(16, 0.5F))}});
      Write(folder_ + name + "/" + file, bytes);
      files.push_back({{"name", file}, {"size_bytes", bytes.size()}, {"hash", Hash(bytes)}});
    }
    const std::string manifest = Json{{"version", 1}, {"attempt", task_.at("attempt")},        {"step", kStep},
                                      {"epoch", 1.0}, {"metrics", {{"validation_loss", 0.7}}}, {"files", files}}
                                     .dump();
    Write(folder_ + name + "/manifest.json", manifest);
    Say({{"event", "checkpoint_written"},
         {"step", kStep},
         {"epoch", 1.0},
         {"folder", within_ + name},
         {"manifest_hash", Hash(manifest)},
         {"size_bytes", 1024},
         {"validation_loss", 0.7}});
  }

  void WritePredictions(const std::string& split) {
    const std::vector<int64_t> ids = IdsOf(split);
    const auto samples = static_cast<int64_t>(ids.size());
    const std::string bytes = Safetensors(
        {{"ids", "I64", {samples}, BytesOf(ids)},
         {"logits", "F32", {samples, kClasses}, BytesOf(std::vector<float>(ids.size() * kClasses, 0.25F))}});
    Write(folder_ + "/predictions/last/" + split + ".safetensors", bytes);
    Say({{"event", "predictions_written"},
         {"predictor", "last"},
         {"split", split},
         {"file", within_ + "/predictions/last/" + split + ".safetensors"},
         {"samples", samples},
         {"step", kStep},
         {"hash", Hash(bytes)}});
  }

  std::vector<int64_t> IdsOf(const std::string& split) const {
    const std::string file = Read(task_.at("split").get<std::string>());
    uint64_t length = 0;
    file.copy(reinterpret_cast<char*>(&length), sizeof(length));
    const Json offsets = Json::parse(file.substr(sizeof(length), length)).at(split).at("data_offsets");
    std::vector<int64_t> ids((offsets[1].get<size_t>() - offsets[0].get<size_t>()) / sizeof(int64_t));
    file.copy(reinterpret_cast<char*>(ids.data()), ids.size() * sizeof(int64_t),
              sizeof(length) + length + offsets[0].get<size_t>());
    return ids;
  }

  const Json& task_;
  const std::string folder_;
  const std::string within_;  // of the ensemble's folder
  std::string events_;
};

int StartBare(const char* program, int count, int at_once) {
  char* const arguments[] = {const_cast<char*>(program), const_cast<char*>("nothing"), nullptr};
  for (int started = 0, ended = 0; ended < count;) {
    if (started < count && started - ended < at_once) {
      pid_t child = 0;
      if (posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, arguments, environ) != 0) return 70;
      ++started;
    } else {
      if (wait(nullptr) < 0) return 70;
      ++ended;
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string job = argc > 1 ? argv[1] : "";
  if (job == "nothing") return 0;
  if (job == "bare" && argc == 4) return StartBare(argv[0], std::atoi(argv[2]), std::atoi(argv[3]));
  if ((job != "inspect" && job != "train") || argc != 3) return 64;
  const Json task = Json::parse(Read(argv[2]));
  Attempt attempt(task);
  job == "inspect" ? attempt.Inspect() : attempt.Train();
  attempt.End();
  return 0;
}
