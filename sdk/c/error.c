#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

struct holdfast_error {
  holdfast_code code;
  int status;
  unsigned retry_after;
  char* name;
  char* detail;
  char* request_id;
};

// What remains when there is no memory for an error; never freed.
static holdfast_error no_memory = {.code = HOLDFAST_OUT_OF_MEMORY,
                                   .name = "out_of_memory",
                                   .detail = "out of memory",
                                   .request_id = ""};

const char* holdfast_code_name(holdfast_code code) {
  switch (code) {
    case HOLDFAST_OK:
      return "ok";
    case HOLDFAST_INVALID_REQUEST:
      return "invalid_request";
    case HOLDFAST_NOT_PERMITTED:
      return "not_permitted";
    case HOLDFAST_NOT_FOUND:
      return "not_found";
    case HOLDFAST_METHOD_NOT_ALLOWED:
      return "method_not_allowed";
    case HOLDFAST_TIMEOUT:
      return "timeout";
    case HOLDFAST_CONFLICT:
      return "conflict";
    case HOLDFAST_TOO_LARGE:
      return "too_large";
    case HOLDFAST_UNSUPPORTED:
      return "unsupported";
    case HOLDFAST_LIMIT_EXCEEDED:
      return "limit_exceeded";
    case HOLDFAST_OVERLOADED:
      return "overloaded";
    case HOLDFAST_DEVICE_UNAVAILABLE:
      return "device_unavailable";
    case HOLDFAST_KEY_LOST:
      return "key_lost";
    case HOLDFAST_AUDIT_UNAVAILABLE:
      return "audit_unavailable";
    case HOLDFAST_CLOCK_UNTRUSTED:
      return "clock_untrusted";
    case HOLDFAST_INTERNAL:
      return "internal";
    case HOLDFAST_OTHER:
      return "other";
    case HOLDFAST_NO_SOCKET:
      return "no_socket";
    case HOLDFAST_UNTRUSTED_SOCKET:
      return "untrusted_socket";
    case HOLDFAST_PATH_TOO_LONG:
      return "path_too_long";
    case HOLDFAST_ACCESS_DENIED:
      return "access_denied";
    case HOLDFAST_CONNECTION_LOST:
      return "connection_lost";
    case HOLDFAST_DEADLINE:
      return "deadline";
    case HOLDFAST_BAD_REPLY:
      return "bad_reply";
    case HOLDFAST_INVALID_ARGUMENT:
      return "invalid_argument";
    case HOLDFAST_OUT_OF_MEMORY:
      return "out_of_memory";
    case HOLDFAST_SYSTEM:
      return "system";
  }
  return "other";
}

static holdfast_code code_of(const char* name) {
  for (int code = HOLDFAST_INVALID_REQUEST; code < HOLDFAST_OTHER; ++code)
    if (strcmp(holdfast_code_name((holdfast_code)code), name) == 0) return (holdfast_code)code;
  return HOLDFAST_OTHER;
}

// Takes `detail` over.
static holdfast_error* make(holdfast_code code, const char* name, char* detail,
                            const char* request_id) {
  holdfast_error* error = calloc(1, sizeof *error);
  if (error) {
    error->code = code;
    error->name = strdup(name);
    error->detail = detail;
    error->request_id = strdup(request_id);
    if (error->name && error->detail && error->request_id) return error;
  }
  if (error)
    holdfast_error_free(error);
  else
    free(detail);
  return &no_memory;
}

holdfast_code hf_fail(holdfast_error** out, holdfast_code code, const char* format, ...) {
  if (!out) return code;
  va_list arguments;
  va_start(arguments, format);
  char* detail = NULL;
  if (vasprintf(&detail, format, arguments) < 0) detail = NULL;
  va_end(arguments);
  *out = make(code, holdfast_code_name(code), detail, "");
  return code;
}

holdfast_code hf_fail_memory(holdfast_error** out) {
  if (out) *out = &no_memory;
  return HOLDFAST_OUT_OF_MEMORY;
}

holdfast_code hf_fail_errno(holdfast_error** out, const char* what) {
  const int code = errno;
  char text[128] = "";
  return hf_fail(out, HOLDFAST_SYSTEM, "%s: %s", what, strerror_r(code, text, sizeof text));
}

holdfast_code hf_take(void* mine, size_t size, size_t first_size, const void* theirs,
                      holdfast_error** error) {
  memset(mine, 0, size);
  size_t given = 0;
  if (theirs) memcpy(&given, theirs, sizeof given);
  if (given < first_size)
    return hf_fail(error, HOLDFAST_INVALID_ARGUMENT,
                   "a struct was not set up with its ..._INIT: its struct_size is %zu", given);
  const unsigned char* bytes = theirs;
  for (size_t at = size; at < given; ++at)
    if (bytes[at] != 0)
      return hf_fail(error, HOLDFAST_INVALID_ARGUMENT,
                     "the program sets a field that libholdfast %d.%d.%d does not know",
                     HOLDFAST_VERSION_MAJOR, HOLDFAST_VERSION_MINOR, HOLDFAST_VERSION_PATCH);
  memcpy(mine, theirs, given < size ? given : size);
  return HOLDFAST_OK;
}

// RFC 9110 §10.2.3 in its form of seconds, the only one that the daemon sends.
static unsigned seconds_of(const char* text) {
  unsigned long value = 0;
  if (!text || !*text) return 0;
  for (; *text; ++text) {
    if (*text < '0' || *text > '9' || value > 1000000) return 0;
    value = value * 10 + (unsigned long)(*text - '0');
  }
  return (unsigned)value;
}

holdfast_code holdfast_decode_problem(int status, const char* body, size_t size,
                                      const char* request_id, const char* retry_after,
                                      holdfast_error** error) {
  json_t* tree = hf_parse(body, size);
  const char* name = hf_member(tree, "code");
  const char* detail = hf_member(tree, "detail");
  const char* id = hf_member(tree, "request_id");
  holdfast_code code = HOLDFAST_BAD_REPLY;
  if (!name || status < 400 || status > 599) {
    code = hf_fail(
        error, HOLDFAST_BAD_REPLY,
        "a reply with status %d that is no error of this protocol: is this the daemon's socket?",
        status);
  } else {
    code = code_of(name);
    if (error)
      *error = make(code, name, strdup(detail ? detail : name),
                    id           ? id
                    : request_id ? request_id
                                 : "");
  }
  hf_drop(tree);
  if (error && *error != &no_memory) {
    (*error)->status = status;
    (*error)->retry_after = seconds_of(retry_after);
  }
  return code;
}

holdfast_code holdfast_error_code(const holdfast_error* error) {
  return error ? error->code : HOLDFAST_OK;
}
const char* holdfast_error_code_text(const holdfast_error* error) {
  return error ? error->name : holdfast_code_name(HOLDFAST_OK);
}
int holdfast_error_status(const holdfast_error* error) {
  return error ? error->status : 0;
}
const char* holdfast_error_detail(const holdfast_error* error) {
  return error ? error->detail : "";
}
const char* holdfast_error_request_id(const holdfast_error* error) {
  return error ? error->request_id : "";
}
unsigned holdfast_error_retry_after(const holdfast_error* error) {
  return error ? error->retry_after : 0;
}

void holdfast_error_free(holdfast_error* error) {
  if (!error || error == &no_memory) return;
  free(error->name);
  free(error->detail);
  free(error->request_id);
  free(error);
}
