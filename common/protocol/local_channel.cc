// Two ends of a conversation within one process.

#include <utility>

#include "common/protocol/channel.h"
#include "common/protocol/inbox.h"

namespace tutti::protocol {
namespace {

class LocalEnd : public Channel {
 public:
  LocalEnd(std::shared_ptr<Inbox> own, std::shared_ptr<Inbox> peer) : own_(std::move(own)), peer_(std::move(peer)) {}
  ~LocalEnd() override {
    own_->DropHandlers();
    peer_->End();
  }

  void Send(std::string message) override { peer_->Put(std::move(message)); }
  void Close() override {
    own_->EndAtOnce();
    peer_->End();
  }
  void OnMessage(std::function<void(std::string)> handler) override { own_->SetMessageHandler(std::move(handler)); }
  void OnClose(std::function<void()> handler) override { own_->SetCloseHandler(std::move(handler)); }

 private:
  const std::shared_ptr<Inbox> own_;
  const std::shared_ptr<Inbox> peer_;
};

}  // namespace

std::pair<std::shared_ptr<Channel>, std::shared_ptr<Channel>> MakeLocalChannel(Post post_first, Post post_second) {
  auto first = std::make_shared<Inbox>(std::move(post_first));
  auto second = std::make_shared<Inbox>(std::move(post_second));
  return {std::make_shared<LocalEnd>(first, second), std::make_shared<LocalEnd>(second, first)};
}

}  // namespace tutti::protocol
