// The calls whose replies are handed on as JSON.
#include <stdio.h>

#include "error.h"
#include "text.h"

static holdfast_code get(holdfast_client* client, const char* path, holdfast_reply** reply,
                         holdfast_error** error) {
  return holdfast_call(client, "GET", path, NULL, reply, error);
}

// Key names have nothing that needs escaping: anything else can't be one.
static bool is_key_name(const char* name) {
  size_t size = 0;
  for (; name && name[size]; ++size) {
    const char c = name[size];
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    if (!plain || size >= 63) return false;
  }
  return size > 0 && name[0] != '.' && name[0] != '_' && name[0] != '-';
}

static holdfast_code refuse_name(holdfast_reply** reply, holdfast_error** error) {
  if (error) *error = NULL;
  if (reply) *reply = NULL;
  return hf_fail(error, HOLDFAST_INVALID_ARGUMENT, "key names are [a-z0-9][a-z0-9._-]{0,62}");
}

holdfast_code holdfast_get_version(holdfast_client* client, holdfast_reply** reply,
                                   holdfast_error** error) {
  return get(client, "/v1/version", reply, error);
}
holdfast_code holdfast_get_health(holdfast_client* client, holdfast_reply** reply,
                                  holdfast_error** error) {
  return get(client, "/v1/health", reply, error);
}
holdfast_code holdfast_get_whoami(holdfast_client* client, holdfast_reply** reply,
                                  holdfast_error** error) {
  return get(client, "/v1/whoami", reply, error);
}

holdfast_code holdfast_get_keys(holdfast_client* client, unsigned limit, const char* after,
                                holdfast_reply** reply, holdfast_error** error) {
  if (after && !is_key_name(after)) return refuse_name(reply, error);
  char path[128];
  snprintf(path, sizeof path, "/v1/keys?limit=%u%s%s", limit ? limit : 100, after ? "&after=" : "",
           after ? after : "");
  return get(client, path, reply, error);
}

holdfast_code holdfast_get_key(holdfast_client* client, const char* name, holdfast_reply** reply,
                               holdfast_error** error) {
  if (!is_key_name(name)) return refuse_name(reply, error);
  char path[128];
  snprintf(path, sizeof path, "/v1/keys/%s", name);
  return get(client, path, reply, error);
}

holdfast_code holdfast_get_jwks(holdfast_client* client, const char* key, holdfast_reply** reply,
                                holdfast_error** error) {
  if (key && !is_key_name(key)) return refuse_name(reply, error);
  char path[128];
  snprintf(path, sizeof path, "/v1/jwks%s%s", key ? "?key=" : "", key ? key : "");
  return get(client, path, reply, error);
}
