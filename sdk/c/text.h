// A growing text that is zeroed wherever it was.
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct hf_text {
  char* data;  // NUL-terminated once something was added
  size_t size;
  size_t capacity;
} hf_text;

// False: out of memory, the text as it was.
bool hf_reserve(hf_text* text, size_t more);
bool hf_add_bytes(hf_text* text, const void* bytes, size_t size);
bool hf_add(hf_text* text, const char* more);
bool hf_add_number(hf_text* text, unsigned long long number);
void hf_clear(hf_text* text);

// RFC 4648 §4, padded. To free; NULL: out of memory.
char* hf_base64(const void* bytes, size_t size);
// To free; NULL: not base64, or out of memory (then *size is 1).
unsigned char* hf_from_base64(const char* text, size_t* size);
