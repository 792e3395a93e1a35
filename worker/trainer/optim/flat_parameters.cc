#include "worker/trainer/optim/flat_parameters.h"

#include <torch/torch.h>

#include <algorithm>

namespace tutti::trainer {
namespace {

constexpr int64_t kAlignmentElements = 16;  // 64 bytes: a cache line, and AVX-512's width

int64_t PaddedUp(int64_t elements) {
  return (elements + kAlignmentElements - 1) / kAlignmentElements * kAlignmentElements;
}

// set_ and not narrow().view(): the result is no view in autograd's eyes, so that it may become a leaf's data.
at::Tensor SliceOf(const at::Tensor& flat, int64_t offset, at::IntArrayRef shape) {
  at::Tensor slice = at::empty({0}, flat.options());
  slice.set_(flat.storage(), flat.storage_offset() + offset, shape);
  return slice;
}

}  // namespace

FlatParameters::FlatParameters(torch::nn::Module& model) {
  const auto named = model.named_parameters();
  TUTTI_CHECK(!named.is_empty());
  int64_t end = 0;
  for (auto item = named.end(); item != named.begin();) {
    --item;
    const at::Tensor& parameter = item->value();
    TUTTI_CHECK(parameter.scalar_type() == at::kFloat && parameter.device() == named.begin()->value().device());
    const int64_t next = end + PaddedUp(parameter.numel());
    slices_.push_back({item->key(), parameter, end, next});
    end = next;
  }
  const auto options = named.begin()->value().options().requires_grad(false);
  values_ = at::zeros({end}, options);
  all_gradients_ = at::zeros({end + kTailElements}, options);
  gradients_ = all_gradients_.narrow(0, 0, end);
  tail_ = all_gradients_.narrow(0, end, kTailElements);
  for (Slice& slice : slices_) {
    at::Tensor value = SliceOf(values_, slice.offset, slice.parameter.sizes());
    value.copy_(slice.parameter.detach());
    slice.parameter.set_data(value);
    slice.parameter.mutable_grad() = SliceOf(all_gradients_, slice.offset, slice.parameter.sizes());
  }
}

std::vector<NamedArray> FlatParameters::ViewsOf(const at::Tensor& flat) const {
  TUTTI_CHECK(flat.numel() == values_.numel());
  std::vector<NamedArray> views;
  views.reserve(slices_.size());
  for (auto slice = slices_.rbegin(); slice != slices_.rend(); ++slice) {
    views.push_back({slice->name, SliceOf(flat, slice->offset, slice->parameter.sizes())});
  }
  return views;
}

Result<void> FlatParameters::CheckViews() const {
  for (const Slice& slice : slices_) {
    const float* value = values_.const_data_ptr<float>() + slice.offset;
    const float* gradient = all_gradients_.const_data_ptr<float>() + slice.offset;
    const at::Tensor& own_gradient = slice.parameter.grad();
    if (slice.parameter.const_data_ptr() != value || !slice.parameter.is_contiguous()) {
      return Fail(ErrorCode::kInternal, "parameter {} left the flat storage: the model replaced its data", slice.name);
    }
    if (!own_gradient.defined() || own_gradient.const_data_ptr() != gradient || !own_gradient.is_contiguous()) {
      return Fail(ErrorCode::kInternal, "the gradient of {} left the flat storage: something replaced it", slice.name);
    }
  }
  return {};
}

}  // namespace tutti::trainer
