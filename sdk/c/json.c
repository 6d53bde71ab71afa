#include "json.h"

#include <stdlib.h>
#include <string.h>

json_t* hf_parse(const char* text, size_t size) {
  json_t* tree = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
  if (json_is_object(tree)) return tree;
  hf_drop(tree);
  return NULL;
}

static void wipe(json_t* value) {
  const char* name = NULL;
  json_t* member = NULL;
  size_t at = 0;
  switch (json_typeof(value)) {
    case JSON_STRING:
      // Jansson hands its own buffer out as const; nobody else has it.
      explicit_bzero((char*)(uintptr_t)json_string_value(value), json_string_length(value));
      break;
    case JSON_ARRAY:
      json_array_foreach(value, at, member) wipe(member);
      break;
    case JSON_OBJECT:
      json_object_foreach(value, name, member) wipe(member);
      break;
    default:
      break;
  }
}

void hf_drop(json_t* tree) {
  if (!tree) return;
  wipe(tree);
  json_decref(tree);
}

const char* hf_member(const json_t* object, const char* name) {
  const json_t* value = object ? json_object_get(object, name) : NULL;
  const char* text = json_string_value(value);
  return text && strlen(text) == json_string_length(value) ? text : NULL;
}

bool hf_member_integer(const json_t* object, const char* name, int64_t* value) {
  const json_t* member = json_object_get(object, name);
  if (!json_is_integer(member)) return false;
  *value = json_integer_value(member);
  return true;
}

bool hf_put_value(json_t* object, const char* name, json_t* value) {
  return value && json_object_set_new(object, name, value) == 0;
}

bool hf_put(json_t* object, const char* name, const char* value) {
  return !value || hf_put_value(object, name, json_string(value));
}

bool hf_put_integer(json_t* object, const char* name, uint64_t value) {
  return hf_put_value(object, name, json_integer((json_int_t)value));
}

char* hf_write(const json_t* object, const char* raw_name, const char* raw) {
  const size_t size = json_dumpb(object, NULL, 0, JSON_COMPACT);
  const size_t more = raw ? strlen(raw_name) + strlen(raw) + 4 : 0;
  char* text = size ? malloc(size + more + 1) : NULL;
  if (!text) return NULL;
  json_dumpb(object, text, size, JSON_COMPACT);
  text[size] = '\0';
  if (raw) {
    char* end = text + size - 1;  // its closing brace
    for (const char *piece[] = {size > 2 ? ",\"" : "\"", raw_name, "\":", raw, "}", NULL},
                    **at = piece;
         *at; ++at)
      end = stpcpy(end, *at);
  }
  return text;
}
