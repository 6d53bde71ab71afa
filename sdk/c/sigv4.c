#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "json.h"

typedef struct hf_whole_sigv4 {
  holdfast_sigv4_reply shown;  // first, so that the two have one address
  json_t* tree;                // what it points into
  char* request_id;
  holdfast_header headers[];
} hf_whole_sigv4;

static bool put_choice(json_t* object, const char* name, holdfast_choice choice) {
  return choice == HOLDFAST_DEFAULT ||
         hf_put_value(object, name, json_boolean(choice == HOLDFAST_YES));
}

static bool put_headers(json_t* object, const holdfast_sigv4_request* request) {
  if (request->header_count == 0) return true;
  json_t* list = json_array();
  if (!hf_put_value(object, "headers", list)) return false;
  for (size_t at = 0; at < request->header_count; ++at) {
    const holdfast_header* header = &request->headers[at];
    if (!header->name || !header->value ||
        json_array_append_new(list, json_pack("[ss]", header->name, header->value)) != 0)
      return false;
  }
  return true;
}

static bool put_names(json_t* object, const char* field, const char* const* names, size_t count) {
  if (count == 0) return true;
  json_t* list = json_array();
  if (!hf_put_value(object, field, list)) return false;
  for (size_t at = 0; at < count; ++at)
    if (!names[at] || json_array_append_new(list, json_string(names[at])) != 0) return false;
  return true;
}

static bool put_body(json_t* object, const holdfast_sigv4_request* request) {
  if (!request->body) return true;
  char* text = hf_base64(request->body, request->body_size);
  const bool good = text && hf_put(object, "body", text);
  holdfast_text_free(text);
  return good;
}

static bool put_all(json_t* object, const holdfast_sigv4_request* request) {
  return hf_put(object, "key", request->key) && hf_put(object, "region", request->region) &&
         put_names(object, "region_set", request->region_set, request->region_set_count) &&
         hf_put(object, "service", request->service) && hf_put(object, "method", request->method) &&
         hf_put(object, "url", request->url) && put_headers(object, request) &&
         hf_put(object, "payload_sha256", request->payload_sha256) && put_body(object, request) &&
         hf_put(object, "mode", request->mode == HOLDFAST_SIGV4_QUERY ? "query" : NULL) &&
         (!request->expires_in || hf_put_integer(object, "expires_in", request->expires_in)) &&
         hf_put(object, "session_token", request->session_token) &&
         hf_put(object, "time", request->time) &&
         put_names(object, "sign_headers", request->sign_headers, request->sign_header_count) &&
         put_choice(object, "normalize_path", request->normalize_path) &&
         put_choice(object, "double_encode", request->double_encode) &&
         put_choice(object, "content_sha256_header", request->content_sha256_header) &&
         (!request->explain || hf_put_value(object, "explain", json_true()));
}

holdfast_code holdfast_encode_sigv4(const holdfast_sigv4_request* request, char** body,
                                    holdfast_error** error) {
  if (error) *error = NULL;
  if (body) *body = NULL;
  holdfast_sigv4_request mine;
  const size_t first_size = offsetof(holdfast_sigv4_request, region_set);
  const holdfast_code code = hf_take(&mine, sizeof mine, first_size, request, error);
  if (code != HOLDFAST_OK) return code;
  if (!body || !mine.key || !mine.region == !mine.region_set_count || !mine.service ||
      !mine.method || !mine.url)
    return hf_fail(error, HOLDFAST_INVALID_ARGUMENT,
                   "a sigv4 request needs key, region or region_set, service, method and url");
  json_t* object = json_object();
  if (object && put_all(object, &mine)) *body = hf_write(object, NULL, NULL);
  hf_drop(object);
  if (*body) return HOLDFAST_OK;
  return hf_fail(error, HOLDFAST_INVALID_ARGUMENT, "a text of the sigv4 request is not UTF-8");
}

static bool read_headers(const json_t* list, hf_whole_sigv4* whole) {
  size_t at = 0;
  const json_t* pair = NULL;
  json_array_foreach(list, at, pair) {
    whole->headers[at].name = json_string_value(json_array_get(pair, 0));
    whole->headers[at].value = json_string_value(json_array_get(pair, 1));
    if (!whole->headers[at].name || !whole->headers[at].value) return false;
  }
  whole->shown.headers = whole->headers;
  whole->shown.header_count = at;
  return true;
}

holdfast_code holdfast_decode_sigv4(const char* body, size_t size, const char* request_id,
                                    holdfast_sigv4_reply** reply, holdfast_error** error) {
  if (error) *error = NULL;
  *reply = NULL;
  json_t* tree = hf_parse(body, size);
  const json_t* headers = tree ? json_object_get(tree, "headers") : NULL;
  const size_t count = json_array_size(headers);
  hf_whole_sigv4* whole = calloc(1, sizeof *whole + count * sizeof(holdfast_header));
  char* id = strdup(request_id ? request_id : "");
  if (!whole || !id) {
    free(whole);
    free(id);
    hf_drop(tree);
    return hf_fail_memory(error);
  }
  whole->tree = tree;
  whole->request_id = id;
  holdfast_sigv4_reply* shown = &whole->shown;
  shown->request_id = id;
  shown->url = hf_member(tree, "url");
  shown->signature = hf_member(tree, "signature");
  shown->signed_headers = hf_member(tree, "signed_headers");
  shown->canonical_request = hf_member(tree, "canonical_request");
  shown->string_to_sign = hf_member(tree, "string_to_sign");
  if (!json_is_array(headers) || !read_headers(headers, whole) || !shown->url ||
      !shown->signature || !shown->signed_headers ||
      !hf_member_integer(tree, "audit_seq", &shown->audit_seq)) {
    holdfast_sigv4_reply_free(shown);
    return hf_fail(error, HOLDFAST_BAD_REPLY, "the daemon's reply is not that of a sigv4 request");
  }
  *reply = shown;
  return HOLDFAST_OK;
}

holdfast_code holdfast_sign_sigv4(holdfast_client* client, const holdfast_sigv4_request* request,
                                  holdfast_sigv4_reply** reply, holdfast_error** error) {
  if (reply) *reply = NULL;
  char* body = NULL;
  holdfast_code code = holdfast_encode_sigv4(request, &body, error);
  if (code != HOLDFAST_OK) return code;
  if (!reply) {
    holdfast_text_free(body);
    return hf_fail(error, HOLDFAST_INVALID_ARGUMENT, "no place for the reply");
  }
  holdfast_reply* answer = NULL;
  code = holdfast_call(client, "POST", "/v1/sign/sigv4", body, &answer, error);
  holdfast_text_free(body);
  if (code == HOLDFAST_OK)
    code = holdfast_decode_sigv4(answer->body, answer->body_size, answer->request_id, reply, error);
  holdfast_reply_free(answer);
  return code;
}

void holdfast_sigv4_reply_free(holdfast_sigv4_reply* reply) {
  if (!reply) return;
  hf_whole_sigv4* whole = (hf_whole_sigv4*)reply;
  hf_drop(whole->tree);
  free(whole->request_id);
  free(whole);
}
