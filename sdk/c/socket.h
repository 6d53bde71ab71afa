// Which socket, and whether it is the daemon's: sdk/API.md, "Finding the socket".
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "holdfast/holdfast.h"

// Where the socket may be, in order; texts are owned.
typedef struct hf_places {
  char* path[3];
  size_t count;
  const char*
      beside;  // static: the name of the socket in the same folder that is meant instead, or NULL
} hf_places;

// Reads the environment.
holdfast_code hf_find_places(const holdfast_options* options, hf_places* places,
                             holdfast_error** error);
void hf_free_places(hf_places* places);
// The first that exists, or the only one; to free.
holdfast_code hf_choose(const hf_places* places, char** path, holdfast_error** error);

// Whose socket is taken for the daemon's, beside the process's own user.
typedef struct hf_trusted {
  bool has_daemon;
  uid_t daemon;  // the user `holdfast`
} hf_trusted;
hf_trusted hf_find_trusted(void);

// As holdfast_connect(); where the daemon's queue of connections is full, waits up to `wait_ms`.
holdfast_code hf_connect(const char* path, const hf_trusted* trusted, long wait_ms, int* fd,
                         holdfast_error** error);
