#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "error.h"
#include "pool.h"
#include "socket.h"
#include "wire.h"

enum { kTimeout = 30000, kShortestPause = 2, kLongestPause = 50 };

struct holdfast_client {
  hf_places places;
  hf_trusted trusted;
  int64_t timeout_ms;
  int64_t patience_ms;
  hf_pool pool;
};

static holdfast_code connect_once(holdfast_client* client, int64_t deadline, hf_connection** made,
                                  holdfast_error** error) {
  char* path = NULL;
  holdfast_code code = hf_choose(&client->places, &path, error);
  if (code != HOLDFAST_OK) return code;
  const int64_t left = deadline - hf_now_ms();
  int fd = -1;
  code = hf_connect(path, &client->trusted, left > 1 ? (long)left : 1, &fd, error);
  free(path);
  if (code != HOLDFAST_OK) return code;
  *made = hf_pool_add(&client->pool, fd);
  return *made ? HOLDFAST_OK : hf_fail_memory(error);
}

static void pause_ms(long milliseconds) {
  const struct timespec time = {0, milliseconds * 1000000};
  nanosleep(&time, NULL);
}

// `until`: how long connecting is tried again.
static holdfast_code connect_patiently(holdfast_client* client, int64_t until, int64_t deadline,
                                       hf_connection** made, holdfast_error** error) {
  for (long pause = kShortestPause;;
       pause = pause * 2 > kLongestPause ? kLongestPause : pause * 2) {
    const holdfast_code code = connect_once(client, deadline, made, error);
    const bool passes = code == HOLDFAST_NO_SOCKET || code == HOLDFAST_OVERLOADED;
    if (!passes || hf_now_ms() >= until) return code;
    if (error) {
      holdfast_error_free(*error);
      *error = NULL;
    }
    pause_ms(pause);
  }
}

static holdfast_code fail_outcome(hf_outcome outcome, holdfast_error** error) {
  switch (outcome) {
    case HF_LATE:
      return hf_fail(error, HOLDFAST_DEADLINE,
                     "the daemon did not answer in time; the request may have been carried out");
    case HF_BAD:
      return hf_fail(
          error, HOLDFAST_BAD_REPLY,
          "not a reply of this protocol, or more than 1 MiB: ask for less, or compare versions");
    case HF_UNREAD:
      return hf_fail(error, HOLDFAST_CONNECTION_LOST,
                     "the daemon closed the connection before it had read the request; try again");
    case HF_NO_MEMORY:
      return hf_fail_memory(error);
    default:
      return hf_fail(
          error, HOLDFAST_CONNECTION_LOST,
          "the connection broke before the reply was whole; the request may have been carried out");
  }
}

static holdfast_code converse(holdfast_client* client, const hf_text* request, hf_answer* answer,
                              holdfast_error** error) {
  const int64_t start = hf_now_ms();
  const int64_t deadline = start + client->timeout_ms;
  const int64_t until =
      start + client->patience_ms < deadline ? start + client->patience_ms : deadline;
  hf_connection* connection = hf_pool_take(&client->pool);
  for (;;) {
    const bool kept = connection != NULL;
    if (!kept) {
      const holdfast_code code = connect_patiently(client, until, deadline, &connection, error);
      if (code != HOLDFAST_OK) return code;
    }
    const hf_outcome outcome = hf_exchange(hf_connection_fd(connection), request, deadline, answer);
    if (outcome == HF_ANSWERED && answer->keep)
      hf_pool_keep(&client->pool, connection);
    else
      hf_pool_drop(&client->pool, connection);
    if (outcome == HF_ANSWERED) return HOLDFAST_OK;
    hf_clear_answer(answer);
    connection = NULL;
    if (kept && (outcome == HF_UNREAD || outcome == HF_SILENT)) continue;
    // A fresh connection that a daemon on its way out never served is no better than none.
    if (outcome != HF_UNREAD || hf_now_ms() >= until) return fail_outcome(outcome, error);
    pause_ms(kShortestPause);
  }
}

typedef struct hf_whole_reply {
  holdfast_reply shown;  // first, so that the two have one address
  hf_answer answer;
} hf_whole_reply;

// No CR, LF or space may reach the request line.
static bool is_sendable(const char* method, const char* path) {
  if (!method || !path || *path != '/') return false;
  if (strcmp(method, "GET") != 0 && strcmp(method, "POST") != 0 && strcmp(method, "DELETE") != 0)
    return false;
  for (; *path; ++path)
    if (*path <= ' ' || *path > '~') return false;
  return true;
}

holdfast_code holdfast_call(holdfast_client* client, const char* method, const char* path,
                            const char* json_body, holdfast_reply** reply, holdfast_error** error) {
  if (error) *error = NULL;
  if (reply) *reply = NULL;
  if (!client || !reply || !is_sendable(method, path))
    return hf_fail(
        error, HOLDFAST_INVALID_ARGUMENT,
        "a call needs a client, GET, POST or DELETE, a path of printable ASCII, and a place for "
        "the reply");
  hf_whole_reply* whole = calloc(1, sizeof *whole);
  hf_text request = {0};
  holdfast_code code = HOLDFAST_OK;
  if (!whole || !hf_write_request(&request, method, path, json_body))
    code = hf_fail_memory(error);
  else
    code = converse(client, &request, &whole->answer, error);
  hf_clear(&request);
  if (code != HOLDFAST_OK) {
    free(whole);
    return code;
  }
  hf_answer* answer = &whole->answer;
  const char* body = answer->bytes.data + answer->body;
  answer->bytes.data[answer->body + answer->body_size] = '\0';
  if (answer->status >= 300) {
    code = holdfast_decode_problem(answer->status, body, answer->body_size, answer->request_id,
                                   answer->retry_after, error);
    holdfast_reply_free(&whole->shown);
    return code;
  }
  whole->shown = (holdfast_reply){answer->status, body, answer->body_size, answer->request_id};
  *reply = &whole->shown;
  return HOLDFAST_OK;
}

void holdfast_reply_free(holdfast_reply* reply) {
  if (!reply) return;
  hf_whole_reply* whole = (hf_whole_reply*)reply;
  hf_clear_answer(&whole->answer);
  free(whole);
}

static holdfast_code take_options(holdfast_options* mine, const holdfast_options* options,
                                  holdfast_error** error) {
  const holdfast_options initial = HOLDFAST_OPTIONS_INIT;
  return hf_take(mine, sizeof *mine, sizeof *mine, options ? options : &initial, error);
}

holdfast_client* holdfast_client_new(const holdfast_options* options, holdfast_error** error) {
  if (error) *error = NULL;
  holdfast_options mine;
  if (take_options(&mine, options, error) != HOLDFAST_OK) return NULL;
  holdfast_client* client = hf_prepare_for_fork() ? calloc(1, sizeof *client) : NULL;
  if (!client) {
    hf_fail_memory(error);
    return NULL;
  }
  if (hf_find_places(&mine, &client->places, error) != HOLDFAST_OK) {
    free(client);
    return NULL;
  }
  client->trusted = hf_find_trusted();
  client->timeout_ms = mine.timeout_ms ? mine.timeout_ms : kTimeout;
  client->patience_ms = mine.connect_patience_ms;
  return client;
}

void holdfast_client_free(holdfast_client* client) {
  if (!client) return;
  hf_pool_clear(&client->pool);
  hf_free_places(&client->places);
  free(client);
}

holdfast_code holdfast_find_socket(const holdfast_options* options, char** path,
                                   holdfast_error** error) {
  if (error) *error = NULL;
  if (!path)
    return hf_fail(error, HOLDFAST_INVALID_ARGUMENT, "holdfast_find_socket: no place for the path");
  *path = NULL;
  holdfast_options mine;
  holdfast_code code = take_options(&mine, options, error);
  if (code != HOLDFAST_OK) return code;
  hf_places places;
  code = hf_find_places(&mine, &places, error);
  if (code == HOLDFAST_OK) code = hf_choose(&places, path, error);
  hf_free_places(&places);
  return code;
}

int holdfast_version(void) {
  return HOLDFAST_VERSION_NUMBER;
}
