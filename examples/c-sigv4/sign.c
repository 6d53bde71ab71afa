// Signs an S3 GET and prints the headers to add, one a line, as `curl -H @-` takes them.
#include <holdfast/holdfast.h>
#include <stdio.h>

static int fail(holdfast_error* error) {
  fprintf(stderr, "%s: %s\n", holdfast_error_code_text(error), holdfast_error_detail(error));
  if (*holdfast_error_request_id(error))
    fprintf(stderr, "request %s\n", holdfast_error_request_id(error));
  holdfast_error_free(error);
  return 1;
}

int main(int count, char** arguments) {
  if (count != 4) {
    fprintf(stderr, "usage: %s KEY REGION URL\n", arguments[0]);
    return 2;
  }
  holdfast_error* error = NULL;
  holdfast_client* client = holdfast_client_new(NULL, &error);
  if (!client) return fail(error);

  holdfast_sigv4_request request = HOLDFAST_SIGV4_REQUEST_INIT;
  request.key = arguments[1];
  request.region = arguments[2];
  request.service = "s3";
  request.method = "GET";
  request.url = arguments[3];

  holdfast_sigv4_reply* reply = NULL;
  int status = 0;
  if (holdfast_sign_sigv4(client, &request, &reply, &error) == HOLDFAST_OK) {
    for (size_t at = 0; at < reply->header_count; ++at)
      printf("%s: %s\n", reply->headers[at].name, reply->headers[at].value);
    holdfast_sigv4_reply_free(reply);
  } else {
    status = fail(error);
  }
  holdfast_client_free(client);
  return status;
}
