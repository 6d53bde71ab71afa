#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holdfast/holdfast.h"

bool hf_reserve(hf_text* text, size_t more) {
  if (more < text->capacity - text->size) return true;
  size_t capacity = text->capacity ? text->capacity : 512;
  while (capacity - text->size <= more) {
    if (capacity > ((size_t)-1) / 4) return false;
    capacity *= 2;
  }
  // Not realloc, which would leave the old place as it is.
  char* data = malloc(capacity);
  if (!data) return false;
  if (text->data) {
    memcpy(data, text->data, text->size + 1);
    explicit_bzero(text->data, text->capacity);
    free(text->data);
  } else {
    data[0] = '\0';
  }
  text->data = data;
  text->capacity = capacity;
  return true;
}

bool hf_add_bytes(hf_text* text, const void* bytes, size_t size) {
  if (!hf_reserve(text, size)) return false;
  if (size) memcpy(text->data + text->size, bytes, size);
  text->size += size;
  text->data[text->size] = '\0';
  return true;
}

bool hf_add(hf_text* text, const char* more) {
  return hf_add_bytes(text, more, strlen(more));
}

bool hf_add_number(hf_text* text, unsigned long long number) {
  char digits[24];
  snprintf(digits, sizeof digits, "%llu", number);
  return hf_add(text, digits);
}

void hf_clear(hf_text* text) {
  if (text->data) {
    explicit_bzero(text->data, text->capacity);
    free(text->data);
  }
  *text = (hf_text){0};
}

void holdfast_text_free(char* text) {
  if (!text) return;
  explicit_bzero(text, strlen(text));
  free(text);
}

static const char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char* hf_base64(const void* bytes, size_t size) {
  const unsigned char* in = bytes;
  char* text = malloc((size + 2) / 3 * 4 + 1);
  if (!text) return NULL;
  char* out = text;
  for (size_t at = 0; at < size; at += 3) {
    const size_t left = size - at;
    const unsigned long group = (unsigned long)in[at] << 16 |
                                (left > 1 ? (unsigned long)in[at + 1] << 8 : 0) |
                                (left > 2 ? in[at + 2] : 0);
    *out++ = kAlphabet[group >> 18];
    *out++ = kAlphabet[group >> 12 & 63];
    *out++ = left > 1 ? kAlphabet[group >> 6 & 63] : '=';
    *out++ = left > 2 ? kAlphabet[group & 63] : '=';
  }
  *out = '\0';
  return text;
}

unsigned char* hf_from_base64(const char* text, size_t* size) {
  const size_t length = strlen(text);
  size_t padding = 0;
  while (padding < 2 && padding < length && text[length - 1 - padding] == '=') ++padding;
  *size = 0;
  if (length % 4 != 0) return NULL;
  unsigned char* bytes = malloc(length / 4 * 3 + 1);
  if (!bytes) {
    *size = 1;
    return NULL;
  }
  for (size_t at = 0; at < length; at += 4) {
    unsigned long group = 0;
    for (size_t i = at; i < at + 4; ++i) {
      const char* digit = i < length - padding ? strchr(kAlphabet, text[i]) : kAlphabet;
      if (!digit || !*digit) {
        free(bytes);
        *size = 0;
        return NULL;
      }
      group = group << 6 | (unsigned long)(digit - kAlphabet);
    }
    bytes[*size] = (unsigned char)(group >> 16);
    bytes[*size + 1] = (unsigned char)(group >> 8);
    bytes[*size + 2] = (unsigned char)group;
    *size += 3;
  }
  *size -= padding;
  return bytes;
}
