// Jansson, zeroed where it held what we sent or were sent.
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "text.h"

// An object, or NULL.
json_t* hf_parse(const char* text, size_t size);
// Zeroes every text in it, then frees it. NULL is fine. The tree has to be the only owner of its parts.
void hf_drop(json_t* tree);
// The text of a member; NULL where there is none, or it is no text or has a NUL inside.
const char* hf_member(const json_t* object, const char* name);
// False where there is no such integer.
bool hf_member_integer(const json_t* object, const char* name, int64_t* value);

// These add a member unless the value is NULL; false: not UTF-8, or out of memory.
bool hf_put(json_t* object, const char* name, const char* value);
bool hf_put_integer(json_t* object, const char* name, uint64_t value);
// Takes `value` over; NULL is a failure.
bool hf_put_value(json_t* object, const char* name, json_t* value);

// The object's text, to free with holdfast_text_free(); `raw_name`, if there, is a further member whose
// value is the JSON text `raw`. NULL: out of memory.
char* hf_write(const json_t* object, const char* raw_name, const char* raw);
