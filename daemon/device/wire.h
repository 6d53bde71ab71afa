// Fields of a message, written and read in turn. The reader checks every bound.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include "daemon/base/bytes.h"
#include "daemon/base/error.h"
#include "daemon/base/secret.h"
#include "daemon/device/message.h"

namespace holdfast::device {

class Writer {
 public:
  explicit Writer(std::size_t expected) { wire_.reserve(expected); }

  template <std::unsigned_integral Number>
  void number(Number value) {
    for (std::size_t i = 0; i < sizeof value; ++i)
      wire_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }
  void bytes(ByteView value, std::size_t most) {
    if (value.size() > most)
      throw Error(ErrorKind::invalid_request, "a field for the device is over its bound");
    number(static_cast<std::uint32_t>(value.size()));
    wire_.insert(wire_.end(), value.begin(), value.end());
  }
  void count(std::size_t value, std::size_t most) {
    if (value > most)
      throw Error(ErrorKind::invalid_request, "a list for the device is over its bound");
    number(static_cast<std::uint8_t>(value));
  }
  Wire take() { return std::move(wire_); }

 private:
  Wire wire_;
};

class Reader {
 public:
  explicit Reader(ByteView wire) : rest_(wire) {}

  template <std::unsigned_integral Number>
  Number number() {
    const ByteView raw = next(sizeof(Number));
    Number value = 0;
    for (std::size_t i = 0; i < raw.size(); ++i)
      value = static_cast<Number>(value | static_cast<Number>(raw[i]) << (8 * i));
    return value;
  }
  ByteView bytes(std::size_t most) {
    const auto size = number<std::uint32_t>();
    if (size > most) refuse("a field over its bound");
    return next(size);
  }
  Bytes copy(std::size_t most) {
    const ByteView raw = bytes(most);
    return {raw.begin(), raw.end()};
  }
  std::string text(std::size_t most) {
    const std::string_view raw = as_text(bytes(most));
    if (!is_utf8(raw)) refuse("a text that is not UTF-8");
    return std::string(raw);
  }
  std::size_t count(std::size_t most) {
    const auto value = number<std::uint8_t>();
    if (value > most) refuse("a list over its bound");
    return value;
  }
  bool boolean() {
    const auto value = number<std::uint8_t>();
    if (value > 1) refuse("a boolean that is neither");
    return value == 1;
  }
  // An enumerator of 0 … `last`.
  template <class Enum>
  Enum enumerator(Enum last) {
    const auto value = number<std::uint8_t>();
    if (value > static_cast<std::uint8_t>(last)) refuse("an unknown enumerator");
    return static_cast<Enum>(value);
  }
  void finish() const {
    if (!rest_.empty()) refuse("bytes after the last field");
  }
  [[noreturn]] static void refuse(std::string_view offence) {
    throw Error(ErrorKind::invalid_request, "a device message holds " + std::string(offence));
  }

 private:
  ByteView next(std::size_t size) {
    if (size > rest_.size()) refuse("less than it says");
    const ByteView head = rest_.first(size);
    rest_ = rest_.subspan(size);
    return head;
  }
  ByteView rest_;
};

}  // namespace holdfast::device
