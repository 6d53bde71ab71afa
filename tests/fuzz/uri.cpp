// URLs and what SigV4 makes of their path and query.
#include "daemon/format/uri.h"
#include "daemon/format/sigv4_path.h"
#include "daemon/format/sigv4_query.h"
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  using namespace holdfast::format;
  const std::string_view text = as_text({data, size});
  fuzz::check(percent_decode(percent_encode(text)) == text, "what was encoded decodes to itself");
  if (const auto decoded = percent_decode(text))
    fuzz::check(decoded->size() <= text.size(), "decoding makes nothing longer");

  const json::object none;
  const Fields fields(none);
  fuzz::answers({ErrorKind::invalid_request}, [&] {
    const Url url = parse_url(text, fields, "url");
    std::string joined(url.base);
    joined += url.path;
    if (url.has_query) (joined += '?') += url.query;
    fuzz::check(joined == text, "the parts are the text");
    fuzz::check(url.base.substr(url.base.find("//") + 2).starts_with(url.host),
                "the host is in front");
    for (int rules = 0; rules < 8; ++rules) {
      const bool normalize = (rules & 1) != 0, twice = (rules & 2) != 0;
      const CanonicalPath path = canonical_path(url.path, {normalize, twice, (rules & 4) != 0});
      fuzz::check(path.canonical.starts_with('/') && path.routed.starts_with('/'),
                  "a path has a slash");
      auto back = percent_decode(path.canonical);
      if (twice) back = percent_decode(*back);
      fuzz::check(back == path.routed, "what is signed is what policy judges");
      fuzz::check(!path.ambiguous ==
                      !canonical_path(url.path, {normalize, !twice, (rules & 4) != 0}).ambiguous,
                  "encoding does not change what is ambiguous");
    }
    const auto query = parse_query(url.query, fields, "url");
    const std::string canonical = canonical_query(query);
    auto again = parse_query(canonical, fields, "url");
    fuzz::check(again.size() == query.size() && canonical_query(again) == canonical,
                "the canonical query is its own canonical query");
  });
  return 0;
}
