// Making errors, and taking in structs that can grow.
#pragma once

#include "holdfast/holdfast.h"

// Puts a new error into *out (if `out` is there) and returns `code`.
__attribute__((format(printf, 3, 4))) holdfast_code hf_fail(holdfast_error** out,
                                                            holdfast_code code, const char* format,
                                                            ...);
holdfast_code hf_fail_memory(holdfast_error** out);
// Names errno and its text.
holdfast_code hf_fail_errno(holdfast_error** out, const char* what);

// Copies a caller's struct, which begins with its size, into `mine`, the library's own of `size` bytes; what
// an older caller does not have stays zero. A newer caller's further fields have to be zero. `first_size`
// is the struct's size in the first version.
holdfast_code hf_take(void* mine, size_t size, size_t first_size, const void* theirs,
                      holdfast_error** error);
