// The daemon's framing is narrow (sdk/API.md, Transport), and so is what is accepted here: a status line, header
// lines, and as many bytes of body as Content-Length says. libcurl would do, but its 7.88 loses a reply
// that the daemon sent before it closed early (`overloaded`), and leaves two descriptors open over exec.
#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

enum { kMaxHeader = 16 * 1024, kMaxBody = 1024 * 1024, kPiece = 16 * 1024 };

int64_t hf_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool hf_write_request(hf_text* request, const char* method, const char* path,
                      const char* json_body) {
  const bool head = hf_add(request, method) && hf_add(request, " ") && hf_add(request, path) &&
                    hf_add(request, " HTTP/1.1\r\nHost: holdfast\r\n");
  if (!head || !json_body) return head && hf_add(request, "\r\n");
  return hf_add(request, "Content-Type: application/json\r\nContent-Length: ") &&
         hf_add_number(request, strlen(json_body)) && hf_add(request, "\r\n\r\n") &&
         hf_add(request, json_body);
}

void hf_clear_answer(hf_answer* answer) {
  hf_clear(&answer->bytes);
  *answer = (hf_answer){0};
}

// False: the deadline passed.
static bool wait_for(int fd, short events, int64_t deadline) {
  struct pollfd one = {.fd = fd, .events = events};
  for (;;) {
    const int64_t left = deadline - hf_now_ms();
    if (left <= 0) return false;
    const int count = poll(&one, 1, left > 60000 ? 60000 : (int)left);
    if (count > 0 || (count < 0 && errno != EINTR)) return true;
  }
}

typedef enum { SENT, NOT_SENT, SENT_LATE } hf_sending;

static hf_sending send_all(int fd, const hf_text* request, int64_t deadline) {
  for (size_t done = 0; done < request->size;) {
    const ssize_t size = send(fd, request->data + done, request->size - done, MSG_NOSIGNAL);
    if (size >= 0) {
      done += (size_t)size;
    } else if (errno == EAGAIN) {
      if (!wait_for(fd, POLLOUT, deadline)) return SENT_LATE;
    } else if (errno != EINTR) {
      return NOT_SENT;
    }
  }
  return SENT;
}

// Reads what there is, up to one piece; the end of the stream is a failure with errno 0.
static bool read_some(int fd, hf_text* bytes, int64_t deadline, bool* late) {
  for (;;) {
    const ssize_t size = recv(fd, bytes->data + bytes->size, bytes->capacity - bytes->size - 1, 0);
    if (size > 0) {
      bytes->size += (size_t)size;
      bytes->data[bytes->size] = '\0';
      return true;
    }
    if (size == 0) {
      errno = 0;
      return false;
    }
    if (errno == EAGAIN) {
      *late = !wait_for(fd, POLLIN, deadline);
      if (*late) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
}

static bool is_name(const char* line, size_t size, const char* name) {
  return size == strlen(name) && strncasecmp(line, name, size) == 0;
}

static bool take_length(const char* value, size_t size, long* length) {
  if (*length >= 0 || size == 0) return false;
  *length = 0;
  for (size_t at = 0; at < size; ++at) {
    if (value[at] < '0' || value[at] > '9' || *length > kMaxBody) return false;
    *length = *length * 10 + (value[at] - '0');
  }
  return *length <= kMaxBody;
}

static void copy_value(char* to, size_t room, const char* value, size_t size) {
  if (size < room) {
    memcpy(to, value, size);
    to[size] = '\0';
  }
}

// One header line, without its CRLF.
static bool take_line(const char* line, size_t size, hf_answer* answer, long* length) {
  const char* colon = memchr(line, ':', size);
  if (!colon || colon == line || *line == ' ' || *line == '\t') return false;
  const size_t name = (size_t)(colon - line);
  const char* value = colon + 1;
  const char* end = line + size;
  while (value < end && (*value == ' ' || *value == '\t')) ++value;
  while (end > value && (end[-1] == ' ' || end[-1] == '\t')) --end;
  const size_t value_size = (size_t)(end - value);
  if (is_name(line, name, "Content-Length")) return take_length(value, value_size, length);
  if (is_name(line, name, "Transfer-Encoding")) return false;
  if (is_name(line, name, "Connection") && is_name(value, value_size, "close"))
    answer->keep = false;
  if (is_name(line, name, "X-Request-Id"))
    copy_value(answer->request_id, sizeof answer->request_id, value, value_size);
  if (is_name(line, name, "Retry-After"))
    copy_value(answer->retry_after, sizeof answer->retry_after, value, value_size);
  return true;
}

// `end`: behind the empty line.
static bool take_header(hf_answer* answer, size_t end) {
  const char* at = answer->bytes.data;
  const char* stop = at + end - 2;
  if (memchr(at, '\0', end) || strncmp(at, "HTTP/1.1 ", 9) != 0) return false;
  answer->status = 0;
  for (const char* digit = at + 9; digit < at + 12; ++digit) {
    if (*digit < '0' || *digit > '9') return false;
    answer->status = answer->status * 10 + (*digit - '0');
  }
  if ((at[12] != ' ' && at[12] != '\r') || answer->status < 200 || answer->status > 599)
    return false;
  answer->keep = true;
  long length = -1;
  at = strstr(at, "\r\n") + 2;
  while (at < stop) {
    const char* line_end = strstr(at, "\r\n");
    if (!take_line(at, (size_t)(line_end - at), answer, &length)) return false;
    at = line_end + 2;
  }
  if (length < 0 && answer->status != 204) return false;
  answer->body = end;
  answer->body_size = length < 0 ? 0 : (size_t)length;
  return true;
}

static hf_outcome read_answer(int fd, int64_t deadline, hf_answer* answer) {
  hf_text* bytes = &answer->bytes;
  bool late = false;
  size_t searched = 0;
  for (;;) {
    if (!hf_reserve(bytes, kPiece)) return HF_NO_MEMORY;
    if (answer->body == 0 && bytes->size > 0) {
      const char* end = strstr(bytes->data + searched, "\r\n\r\n");
      if (end) {
        if (!take_header(answer, (size_t)(end - bytes->data) + 4)) return HF_BAD;
      } else {
        if (bytes->size > kMaxHeader || strlen(bytes->data) < bytes->size) return HF_BAD;
        searched = bytes->size < 3 ? 0 : bytes->size - 3;
      }
    }
    if (answer->body != 0 && bytes->size >= answer->body + answer->body_size) break;
    if (read_some(fd, bytes, deadline, &late)) continue;
    if (late) return HF_LATE;
    if (bytes->size > 0) return HF_BROKEN;
    // unix(7): the peer closed while bytes of ours lay unread, or never accepted the connection.
    return errno == ECONNRESET ? HF_UNREAD : HF_SILENT;
  }
  // What the daemon says unasked would be taken for the next reply.
  if (bytes->size > answer->body + answer->body_size) answer->keep = false;
  return HF_ANSWERED;
}

hf_outcome hf_exchange(int fd, const hf_text* request, int64_t deadline, hf_answer* answer) {
  *answer = (hf_answer){0};
  const hf_sending sending = send_all(fd, request, deadline);
  if (sending == SENT_LATE) return HF_LATE;
  // The daemon may refuse early and close: its answer counts, not the failed write.
  const hf_outcome outcome = read_answer(fd, deadline, answer);
  if (sending == SENT) return outcome;
  answer->keep = false;
  return outcome == HF_SILENT ? HF_UNREAD : outcome;
}
