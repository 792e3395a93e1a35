// A coordinator as couriers see it: real sockets, files in memory, and trouble when a test wants it.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/hash.h"
#include "common/network/peer.h"
#include "coordinator/server/http_server.h"

namespace tutti::worker {

class Storehouse {
 public:
  // Listens on FOLDER/coordinator.sock.
  explicit Storehouse(const std::filesystem::path& folder) : folder_(folder) {
    std::filesystem::create_directories(folder);
    http_ = server::HttpServer::Listen(io_, folder, server::ApiLimits{},
                                       [this](const server::HttpRequest& request, const server::Respond& respond) {
                                         Answer(request, respond);
                                       })
                .value();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Storehouse() {
    io_.stop();
    thread_.join();
    http_.reset();
  }

  network::Peer peer() const { return folder_; }

  // What becomes of the next requests of a method, one after the other: an error is answered; kUnreachable closes the
  // connection without an answer.
  void Refuse(const std::string& method, const std::vector<Error>& errors) { RefuseAfter(method, 0, errors); }
  void RefuseAfter(const std::string& method, int answered, const std::vector<Error>& errors) {
    const std::lock_guard lock(mutex_);
    refused_method_ = method;
    answered_ = answered;
    refusals_ = errors;
  }
  // Of what arrives from now on the first byte is another.
  void Garble(bool garbles) {
    const std::lock_guard lock(mutex_);
    garbles_ = garbles;
  }
  void OfferOnly(const std::string& file, const std::string& content) {
    const std::lock_guard lock(mutex_);
    offers_ = {{file, content}};
  }
  void Offer(const std::string& file, const std::string& content) {
    const std::lock_guard lock(mutex_);
    offers_.emplace_back(file, content);
  }

  // By name, those that are complete.
  std::map<std::string, std::string> complete() const {
    const std::lock_guard lock(mutex_);
    return complete_;
  }
  // "POST log.txt 0", in order: method, file, offset.
  std::vector<std::string> log() const {
    const std::lock_guard lock(mutex_);
    return log_;
  }
  std::vector<std::string> order() const {
    const std::lock_guard lock(mutex_);
    return order_;
  }

 private:
  void Answer(server::HttpRequest request, const server::Respond& respond) {
    const std::lock_guard lock(mutex_);
    const std::string file = request.query["file"];
    const bool asks = request.method == server::Method::kGet;
    log_.push_back(fmt::format("{} {} {}", asks ? "GET" : "POST", file, request.query["offset"] + request.range));
    const bool refuses = !refusals_.empty() && (refused_method_ == "GET") == asks;
    if (refuses && answered_-- <= 0) {
      const Error error = refusals_.front();
      refusals_.erase(refusals_.begin());
      if (error.code == ErrorCode::kUnreachable) return;
      return respond(server::ProblemResponse(error));
    }
    const std::string& what = request.segments[8];
    if (what == "inputs") return respond(request.segments.size() == 9 ? List() : Content(file, request.range));
    respond(asks ? State(request) : Take(request));
  }

  std::string KeyOf(server::HttpRequest& request) const { return request.query["file"] + " " + request.query["hash"]; }

  server::HttpResponse State(server::HttpRequest& request) {
    const std::string& file = request.query["file"];
    const uint64_t bytes = std::stoull(request.query["bytes"]);
    const bool grows = request.query["hash"].empty();
    const std::string& there = parts_[KeyOf(request)];
    const bool is_complete = complete_.contains(file) &&
                             (grows ? there.size() >= bytes : HashText(complete_[file]) == request.query["hash"]);
    return server::JsonResponse({{"bytes", is_complete ? bytes : there.size()}, {"complete", is_complete}});
  }

  server::HttpResponse Take(server::HttpRequest& request) {
    const std::string file = request.query["file"];
    std::string& there = parts_[KeyOf(request)];
    if (std::stoull(request.query["offset"]) != there.size()) {
      return server::ProblemResponse(Error{ErrorCode::kConflict, "it goes on elsewhere", nullptr}, 416);
    }
    if (garbles_ && !request.body.empty()) request.body[0] ^= 1;
    there += request.body;
    const bool is_complete = there.size() == std::stoull(request.query["bytes"]);
    if (is_complete && !request.query["hash"].empty() && HashText(there) != request.query["hash"]) {
      there.clear();
      return server::ProblemResponse(Error{ErrorCode::kCorrupt, "it is something else", nullptr}, 422);
    }
    if (is_complete) {
      complete_[file] = there;
      order_.push_back(file);
    }
    return server::JsonResponse({{"bytes", there.size()}, {"complete", is_complete}});
  }

  server::HttpResponse List() {
    Json list = Json::array();
    for (const auto& [file, content] : offers_) {
      list.push_back({{"file", file}, {"bytes", content.size()}, {"hash", HashText(content)}});
    }
    return server::JsonResponse({{"inputs", list}});
  }

  server::HttpResponse Content(const std::string& file, const std::string& range) {
    for (const auto& [name, content] : offers_) {
      if (name != file) continue;
      const size_t first = std::stoull(range.substr(range.find('=') + 1));
      const size_t last = std::stoull(range.substr(range.find('-') + 1));
      std::string piece = content.substr(first, last - first + 1);
      if (garbles_) piece[0] ^= 1;
      return {206, "application/octet-stream", std::move(piece)};
    }
    return server::ProblemResponse(Error{ErrorCode::kNotFound, "there is no such input", nullptr});
  }

  const std::filesystem::path folder_;
  boost::asio::io_context io_;
  const boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{io_.get_executor()};
  std::unique_ptr<server::HttpServer> http_;

  mutable std::mutex mutex_;  // guards what follows
  std::string refused_method_;
  int answered_ = 0;  // before the refusals
  std::vector<Error> refusals_;
  bool garbles_ = false;
  std::vector<std::pair<std::string, std::string>> offers_;
  std::map<std::string, std::string> parts_, complete_;
  std::vector<std::string> log_, order_;
  std::thread thread_;
};

}  // namespace tutti::worker
