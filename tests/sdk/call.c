// Calls of libholdfast, each outcome on one line: code, status, retry-after, request id, and detail or body.
// call [--timeout MS] [--patience MS] [--times N] [--between PATH] [--become UID] METHOD PATH [BODY]
// --become: the user from the second call on. --between: after each call but the last, waits until PATH is there.
#include <fcntl.h>
#include <holdfast/holdfast.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void call(holdfast_client* client, char** what) {
  holdfast_reply* reply = NULL;
  holdfast_error* error = NULL;
  if (holdfast_call(client, what[0], what[1], what[2], &reply, &error) == HOLDFAST_OK)
    printf("ok %d 0 %s %s\n", reply->status, reply->request_id, reply->body);
  else
    printf("%s %d %u %s %s\n", holdfast_error_code_text(error), holdfast_error_status(error),
           holdfast_error_retry_after(error),
           *holdfast_error_request_id(error) ? holdfast_error_request_id(error) : "-",
           holdfast_error_detail(error));
  fflush(stdout);
  holdfast_reply_free(reply);
  holdfast_error_free(error);
}

// Those that exec(3) would hand on.
static int open_descriptors(void) {
  int count = 0;
  for (int fd = 3; fd < 256; ++fd) {
    const int flags = fcntl(fd, F_GETFD);
    count += flags >= 0 && !(flags & FD_CLOEXEC);
  }
  return count;
}

int main(int count, char** arguments) {
  const int before = open_descriptors();
  holdfast_options options = HOLDFAST_OPTIONS_INIT;
  long times = 1;
  long uid = -1;
  const char* between = NULL;
  int at = 1;
  for (; at + 1 < count && strncmp(arguments[at], "--", 2) == 0; at += 2) {
    const char* value = arguments[at + 1];
    if (strcmp(arguments[at], "--timeout") == 0) options.timeout_ms = (unsigned)atol(value);
    if (strcmp(arguments[at], "--patience") == 0)
      options.connect_patience_ms = (unsigned)atol(value);
    if (strcmp(arguments[at], "--times") == 0) times = atol(value);
    if (strcmp(arguments[at], "--become") == 0) uid = atol(value);
    if (strcmp(arguments[at], "--between") == 0) between = value;
  }
  char* what[3] = {NULL, NULL, NULL};
  for (int piece = 0; piece < 3 && at < count; ++piece) what[piece] = arguments[at++];

  holdfast_client* client = holdfast_client_new(&options, NULL);
  if (!client) return 1;
  for (long done = 0; done < times; ++done) {
    if (done > 0 && between)
      while (access(between, F_OK) != 0) usleep(1000);
    if (done > 0 && uid >= 0 && setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) != 0) return 1;
    call(client, what);
  }
  const int leaked = open_descriptors() > before;
  holdfast_client_free(client);
  return leaked ? 3 : 0;
}
