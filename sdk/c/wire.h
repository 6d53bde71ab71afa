// One HTTP/1.1 request and its reply, over a connected socket.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "holdfast/holdfast.h"
#include "text.h"

// CLOCK_MONOTONIC.
int64_t hf_now_ms(void);

// False: out of memory.
bool hf_write_request(hf_text* request, const char* method, const char* path,
                      const char* json_body);

typedef struct hf_answer {
  hf_text bytes;  // the whole reply; the body is its end
  size_t body;    // where it begins
  size_t body_size;
  int status;
  bool keep;  // the connection can be used again
  char request_id[128];
  char retry_after[16];
} hf_answer;
void hf_clear_answer(hf_answer* answer);

typedef enum hf_outcome {
  HF_ANSWERED,
  HF_UNREAD,  // no byte of a reply, and the kernel says that not all of the request was read
  HF_SILENT,  // no byte of a reply
  HF_BROKEN,  // the end, within the reply
  HF_LATE,
  HF_BAD,  // not a reply of this protocol, or too large
  HF_NO_MEMORY,
} hf_outcome;

// `fd` is non-blocking. `deadline`: of hf_now_ms().
hf_outcome hf_exchange(int fd, const hf_text* request, int64_t deadline, hf_answer* answer);
