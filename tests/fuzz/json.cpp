// The strict JSON reader against Jansson: what both take has one value, and what is taken is taken again
// with the same value after it was written out.
#include <jansson.h>

#include <bit>
#include <cstring>

#include "daemon/base/json.h"
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

bool equal(const json::value& ours, const json_t* theirs) {
  switch (ours.kind()) {
    case json::kind::null:
      return json_is_null(theirs);
    case json::kind::bool_:
      return json_is_boolean(theirs) && json_is_true(theirs) == ours.get_bool();
    case json::kind::int64:
      return json_is_integer(theirs) && json_integer_value(theirs) == ours.get_int64();
    case json::kind::uint64:
      return false;  // beyond what Jansson has, so it should have refused
    case json::kind::double_: {
      const double value = json_real_value(theirs);
      return json_is_real(theirs) &&
             std::bit_cast<std::uint64_t>(value) == std::bit_cast<std::uint64_t>(ours.get_double());
    }
    case json::kind::string:
      return json_is_string(theirs) && json_string_length(theirs) == ours.get_string().size() &&
             std::memcmp(json_string_value(theirs), ours.get_string().data(),
                         ours.get_string().size()) == 0;
    case json::kind::array: {
      const auto& array = ours.get_array();
      if (!json_is_array(theirs) || json_array_size(theirs) != array.size()) return false;
      for (std::size_t i = 0; i < array.size(); ++i)
        if (!equal(array[i], json_array_get(theirs, i))) return false;
      return true;
    }
    case json::kind::object: {
      const auto& object = ours.get_object();
      if (!json_is_object(theirs) || json_object_size(theirs) != object.size()) return false;
      for (const auto& [name, value] : object) {
        if (std::memchr(name.data(), '\0', name.size()) != nullptr) return false;
        const json_t* member = json_object_get(theirs, std::string(name).c_str());
        if (member == nullptr || !equal(value, member)) return false;
      }
      return true;
    }
  }
  return false;
}

}  // namespace
}  // namespace holdfast::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  const std::string_view text = as_text({data, size});
  json::value value;
  if (!fuzz::answers({ErrorKind::invalid_request}, [&] { value = parse_json(text); })) return 0;
  fuzz::check(is_utf8(text), "what is taken is UTF-8");

  json::value again;
  const std::string written = json::serialize(value);
  fuzz::check(fuzz::answers({ErrorKind::invalid_request}, [&] { again = parse_json(written); }),
              "what was written out is taken");
  fuzz::check(again == value, "what was written out has the same value");

  json_t* theirs = json_loadb(text.data(), text.size(),
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, nullptr);
  if (theirs == nullptr) return 0;
  fuzz::check(fuzz::equal(value, theirs), "both readers give one value");
  json_decref(theirs);
  return 0;
}
