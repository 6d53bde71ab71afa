// A signed checkpoint, of any text. One that is read is written the same again, and is signed by whom it says.
#include "daemon/audit/checkpoint.h"
#include "daemon/audit/who.h"
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  const std::string_view note = as_text({data, size});
  const auto parsed = audit::parse_checkpoint(note);
  // Of the key of the corpus' notes.
  static const Bytes key = *from_base64(
      "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGRDcnm99aJg3VaBh1SiD8pjYXim9WmpH1dkc42uw2D9boJ9gD2a4ILO1"
      "PrvV98Ydwg78SM02H5QVMufvk0rT3g==");
  static const std::string text =
      "machine.example/holdfast\n1234\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\ntime "
      "2026-01-01T00:00:00Z\npolicy "
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\ncatalogue "
      "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\nanchor 17\n";
  if (parsed) {
    fuzz::check(
        to_text(parsed->checkpoint) == parsed->text && note.starts_with(parsed->text + "\n"),
        "a checkpoint has one spelling");
    fuzz::check(!parsed->signatures.empty() && parsed->signatures.size() <= 16,
                "a checkpoint has signatures");
    fuzz::check(!parsed->is_signed_by(key) || parsed->text == text, "nobody forges a signature");
  }
  audit::read_sought(note);
  return 0;
}
