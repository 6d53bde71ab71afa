#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "json.h"

typedef struct hf_whole_jwt {
  holdfast_jwt_reply shown;  // first, so that the two have one address
  json_t* tree;              // what it points into
  char* request_id;
} hf_whole_jwt;

static bool put_audiences(json_t* object, const holdfast_jwt_request* request) {
  if (request->audience_count == 1 && !request->audience_list)
    return hf_put_value(object, "audience", json_string(request->audiences[0]));
  json_t* list = json_array();
  if (!hf_put_value(object, "audience", list)) return false;
  for (size_t at = 0; at < request->audience_count; ++at)
    if (!request->audiences[at] ||
        json_array_append_new(list, json_string(request->audiences[at])) != 0)
      return false;
  return true;
}

static bool put_all(json_t* object, const holdfast_jwt_request* request) {
  return hf_put(object, "key", request->key) && put_audiences(object, request) &&
         hf_put_integer(object, "ttl", request->ttl) && hf_put(object, "issuer", request->issuer) &&
         hf_put(object, "subject", request->subject) && hf_put(object, "typ", request->typ) &&
         hf_put(object, "algorithm", request->algorithm);
}

// Whether it is one whole JSON object, so that as a part of the body it can be nothing else. Integers beyond 64
// bits are the daemon's to judge.
static bool is_object(const char* text) {
  json_t* tree =
      json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
  const bool good = json_is_object(tree);
  hf_drop(tree);
  return good;
}

holdfast_code holdfast_encode_jwt(const holdfast_jwt_request* request, char** body,
                                  holdfast_error** error) {
  if (error) *error = NULL;
  if (body) *body = NULL;
  holdfast_jwt_request mine;
  const holdfast_code code = hf_take(&mine, sizeof mine, sizeof mine, request, error);
  if (code != HOLDFAST_OK) return code;
  if (!body || !mine.key || !mine.audiences || mine.audience_count == 0)
    return hf_fail(error, HOLDFAST_INVALID_ARGUMENT, "a jwt request needs key and audience");
  if (mine.claims && !is_object(mine.claims))
    return hf_fail(error, HOLDFAST_INVALID_ARGUMENT,
                   "claims: not the text of one JSON object without repeated names");
  json_t* object = json_object();
  if (object && put_all(object, &mine)) *body = hf_write(object, "claims", mine.claims);
  hf_drop(object);
  if (*body) return HOLDFAST_OK;
  return hf_fail(error, HOLDFAST_INVALID_ARGUMENT, "a text of the jwt request is not UTF-8");
}

holdfast_code holdfast_decode_jwt(const char* body, size_t size, const char* request_id,
                                  holdfast_jwt_reply** reply, holdfast_error** error) {
  if (error) *error = NULL;
  *reply = NULL;
  hf_whole_jwt* whole = calloc(1, sizeof *whole);
  char* id = strdup(request_id ? request_id : "");
  if (!whole || !id) {
    free(whole);
    free(id);
    return hf_fail_memory(error);
  }
  whole->tree = hf_parse(body, size);
  whole->request_id = id;
  holdfast_jwt_reply* shown = &whole->shown;
  shown->request_id = id;
  shown->token = hf_member(whole->tree, "token");
  shown->expires_at = hf_member(whole->tree, "expires_at");
  shown->jti = hf_member(whole->tree, "jti");
  shown->kid = hf_member(whole->tree, "kid");
  if (!shown->token || !shown->expires_at || !shown->jti || !shown->kid ||
      !hf_member_integer(whole->tree, "audit_seq", &shown->audit_seq)) {
    holdfast_jwt_reply_free(shown);
    return hf_fail(error, HOLDFAST_BAD_REPLY, "the daemon's reply is not that of a jwt request");
  }
  *reply = shown;
  return HOLDFAST_OK;
}

holdfast_code holdfast_mint_jwt(holdfast_client* client, const holdfast_jwt_request* request,
                                holdfast_jwt_reply** reply, holdfast_error** error) {
  if (reply) *reply = NULL;
  char* body = NULL;
  holdfast_code code = holdfast_encode_jwt(request, &body, error);
  if (code != HOLDFAST_OK) return code;
  if (!reply) {
    holdfast_text_free(body);
    return hf_fail(error, HOLDFAST_INVALID_ARGUMENT, "no place for the reply");
  }
  holdfast_reply* answer = NULL;
  code = holdfast_call(client, "POST", "/v1/token/jwt", body, &answer, error);
  holdfast_text_free(body);
  if (code == HOLDFAST_OK)
    code = holdfast_decode_jwt(answer->body, answer->body_size, answer->request_id, reply, error);
  holdfast_reply_free(answer);
  return code;
}

void holdfast_jwt_reply_free(holdfast_jwt_reply* reply) {
  if (!reply) return;
  hf_whole_jwt* whole = (hf_whole_jwt*)reply;
  hf_drop(whole->tree);
  free(whole->request_id);
  free(whole);
}
