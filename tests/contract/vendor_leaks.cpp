// What LeakSanitizer is not told of: vendors' modules leak at each C_SignInit (SoftHSM 2.6.1 for Ed25519,
// tpm2-pkcs11 1.9 for EC), and only a whole stack tells them from us.
extern "C" {
const char* __asan_default_options() {
  return "fast_unwind_on_malloc=0";
}
const char* __lsan_default_suppressions() {
  return "leak:libsofthsm2.so\nleak:libtpm2_pkcs11.so\n";
}
}
