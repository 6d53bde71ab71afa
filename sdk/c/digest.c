#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "json.h"

typedef struct hf_whole_digest {
  holdfast_digest_reply shown;  // first, so that the two have one address
  unsigned char* signature;
  char* request_id;
} hf_whole_digest;

holdfast_code holdfast_encode_digest(const holdfast_digest_request* request, char** body,
                                     holdfast_error** error) {
  if (error) *error = NULL;
  if (body) *body = NULL;
  holdfast_digest_request mine;
  const holdfast_code code = hf_take(&mine, sizeof mine, sizeof mine, request, error);
  if (code != HOLDFAST_OK) return code;
  if (!body || !mine.key || !mine.algorithm || !mine.digest)
    return hf_fail(error, HOLDFAST_INVALID_ARGUMENT,
                   "a digest request needs key, algorithm and digest");
  char* digest = hf_base64(mine.digest, mine.digest_size);
  json_t* object = json_object();
  if (digest && object && hf_put(object, "key", mine.key) &&
      hf_put(object, "algorithm", mine.algorithm) && hf_put(object, "digest", digest) &&
      hf_put(object, "encoding", mine.encoding))
    *body = hf_write(object, NULL, NULL);
  hf_drop(object);
  free(digest);
  if (*body) return HOLDFAST_OK;
  return hf_fail(error, HOLDFAST_INVALID_ARGUMENT, "a text of the digest request is not UTF-8");
}

holdfast_code holdfast_decode_digest(const char* body, size_t size, const char* request_id,
                                     holdfast_digest_reply** reply, holdfast_error** error) {
  if (error) *error = NULL;
  *reply = NULL;
  hf_whole_digest* whole = calloc(1, sizeof *whole);
  char* id = strdup(request_id ? request_id : "");
  if (!whole || !id) {
    free(whole);
    free(id);
    return hf_fail_memory(error);
  }
  whole->request_id = id;
  holdfast_digest_reply* shown = &whole->shown;
  shown->request_id = id;
  json_t* tree = hf_parse(body, size);
  const char* signature = hf_member(tree, "signature");
  if (signature) whole->signature = hf_from_base64(signature, &shown->signature_size);
  shown->signature = whole->signature;
  const bool good = whole->signature && hf_member_integer(tree, "audit_seq", &shown->audit_seq);
  hf_drop(tree);
  if (!good) {
    holdfast_digest_reply_free(shown);
    return hf_fail(error, HOLDFAST_BAD_REPLY, "the daemon's reply is not that of a digest request");
  }
  *reply = shown;
  return HOLDFAST_OK;
}

holdfast_code holdfast_sign_digest(holdfast_client* client, const holdfast_digest_request* request,
                                   holdfast_digest_reply** reply, holdfast_error** error) {
  if (reply) *reply = NULL;
  char* body = NULL;
  holdfast_code code = holdfast_encode_digest(request, &body, error);
  if (code != HOLDFAST_OK) return code;
  if (!reply) {
    holdfast_text_free(body);
    return hf_fail(error, HOLDFAST_INVALID_ARGUMENT, "no place for the reply");
  }
  holdfast_reply* answer = NULL;
  code = holdfast_call(client, "POST", "/v1/sign/digest", body, &answer, error);
  holdfast_text_free(body);
  if (code == HOLDFAST_OK)
    code =
        holdfast_decode_digest(answer->body, answer->body_size, answer->request_id, reply, error);
  holdfast_reply_free(answer);
  return code;
}

void holdfast_digest_reply_free(holdfast_digest_reply* reply) {
  if (!reply) return;
  hf_whole_digest* whole = (hf_whole_digest*)reply;
  free(whole->signature);
  free(whole->request_id);
  free(whole);
}
