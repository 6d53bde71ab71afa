#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "error.h"

// sockaddr_un.sun_path without its terminator.
enum { kMaxPath = 107 };

static const char kStart[] =
    "start the daemon: `systemctl start holdfastd`, or for development `holdfast dev`";

static const char* environment(const char* name) {
  const char* value = secure_getenv(name);
  return value && *value ? value : NULL;
}

// The folder's part of a path: its length, with the slash.
static size_t folder_length(const char* path) {
  const char* slash = strrchr(path, '/');
  return slash ? (size_t)(slash - path) + 1 : 0;
}

static bool add_place(hf_places* places, const char* folder, size_t folder_size, const char* name) {
  char* path = NULL;
  if (asprintf(&path, "%.*s%s", (int)folder_size, folder, name) < 0) return false;
  places->path[places->count++] = path;
  return true;
}

static bool add_application_places(hf_places* places) {
  const char* named = environment("HOLDFAST_SOCKET");
  const char* runtime = environment("XDG_RUNTIME_DIR");
  return (!named || add_place(places, named, strlen(named), "")) &&
         (!runtime || add_place(places, runtime, strlen(runtime), "/holdfast/holdfast.sock")) &&
         add_place(places, "", 0, "/run/holdfast/holdfast.sock");
}

holdfast_code hf_find_places(const holdfast_options* options, hf_places* places,
                             holdfast_error** error) {
  *places = (hf_places){0};
  const char* named = options->socket;
  if (!named && options->admin) named = environment("HOLDFAST_ADMIN_SOCKET");
  places->beside = options->admin && !named ? "admin.sock" : NULL;
  if (named ? add_place(places, named, strlen(named), "") : add_application_places(places))
    return HOLDFAST_OK;
  hf_free_places(places);
  return hf_fail_memory(error);
}

void hf_free_places(hf_places* places) {
  for (size_t at = 0; at < places->count; ++at) free(places->path[at]);
  *places = (hf_places){0};
}

static bool exists(const char* path) {
  struct stat info;
  return lstat(path, &info) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

holdfast_code hf_choose(const hf_places* places, char** path, holdfast_error** error) {
  *path = NULL;
  for (size_t at = 0; at < places->count; ++at) {
    const char* found = places->path[at];
    if (places->count > 1 && !exists(found)) continue;
    const size_t size = places->beside ? folder_length(found) : strlen(found);
    if (asprintf(path, "%.*s%s", (int)size, found, places->beside ? places->beside : "") >= 0)
      return HOLDFAST_OK;
    *path = NULL;
    return hf_fail_memory(error);
  }
  char* const* tried = places->path;
  return hf_fail(error, HOLDFAST_NO_SOCKET, "no daemon is running here: there is no %s%s%s%s%s; %s",
                 tried[0], places->count > 1 ? ", " : "", places->count > 1 ? tried[1] : "",
                 places->count > 2 ? ", " : "", places->count > 2 ? tried[2] : "", kStart);
}

hf_trusted hf_find_trusted(void) {
  hf_trusted trusted = {false, 0};
  size_t size = 1024;
  char* space = malloc(size);
  struct passwd user;
  struct passwd* found = NULL;
  while (space) {
    const int code = getpwnam_r("holdfast", &user, space, size, &found);
    if (code != ERANGE || size > 1024 * 1024) break;
    free(space);
    size *= 2;
    space = malloc(size);
  }
  if (found) trusted = (hf_trusted){true, found->pw_uid};
  free(space);
  return trusted;
}

static bool is_trusted(uid_t uid, const hf_trusted* trusted) {
  return uid == 0 || uid == geteuid() || (trusted->has_daemon && uid == trusted->daemon);
}

static holdfast_code refuse(const char* path, const char* why, holdfast_error** error) {
  return hf_fail(error, HOLDFAST_UNTRUSTED_SOCKET,
                 "refusing the socket %s: %s; name the daemon's own with HOLDFAST_SOCKET", path,
                 why);
}

static holdfast_code refuse_owner(const char* path, const char* what, uid_t uid,
                                  holdfast_error** error) {
  char why[160];
  snprintf(why, sizeof why, "%s uid %lu, not to root, holdfast or you", what, (unsigned long)uid);
  return refuse(path, why, error);
}

static holdfast_code check(const char* path, const hf_trusted* trusted, holdfast_error** error) {
  struct stat info;
  if (lstat(path, &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR)
      return hf_fail(error, HOLDFAST_NO_SOCKET, "there is no socket %s; %s", path, kStart);
    if (errno == EACCES)
      return hf_fail(error, HOLDFAST_ACCESS_DENIED, "you may not look into the folder of %s", path);
    return hf_fail_errno(error, path);
  }
  if (S_ISLNK(info.st_mode)) return refuse(path, "it is a symbolic link", error);
  if (!S_ISSOCK(info.st_mode)) return refuse(path, "it is not a socket", error);
  if (!is_trusted(info.st_uid, trusted))
    return refuse_owner(path, "it belongs to", info.st_uid, error);

  char folder[kMaxPath + 2] = ".";
  const size_t length = folder_length(path);
  if (length) snprintf(folder, sizeof folder, "%.*s", (int)length, path);
  struct stat above;
  if (stat(folder, &above) != 0) return hf_fail_errno(error, folder);
  if (!is_trusted(above.st_uid, trusted))
    return refuse_owner(path, "its folder belongs to", above.st_uid, error);
  if ((above.st_mode & (S_IWGRP | S_IWOTH)) && !(above.st_mode & S_ISVTX))
    return refuse(path, "others can write to its folder", error);
  return HOLDFAST_OK;
}

// A full queue: connect(2) waits as long as the socket's send timeout.
static holdfast_code connect_within(int fd, const char* path, long wait_ms,
                                    holdfast_error** error) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path, path, strlen(path));
  const struct timeval wait = {wait_ms / 1000, wait_ms % 1000 * 1000};
  if (wait_ms > 0) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
  int code = 0;
  do {
    code = connect(fd, (const struct sockaddr*)&address, sizeof address) == 0 ? 0 : errno;
  } while (code == EINTR);
  switch (code) {
    case 0:
      return HOLDFAST_OK;
    case EAGAIN:
      return hf_fail(error, HOLDFAST_OVERLOADED,
                     "the daemon's queue of connections is full; try again later");
    case ECONNREFUSED:
    case ENOENT:
      return hf_fail(error, HOLDFAST_NO_SOCKET, "nothing listens on %s; %s", path, kStart);
    case EACCES:
      return hf_fail(error, HOLDFAST_ACCESS_DENIED, "you may not connect to %s", path);
    default:
      errno = code;
      return hf_fail_errno(error, path);
  }
}

// After the connect, so that a swap of the file after the check gains nothing.
static holdfast_code check_listener(int fd, const char* path, const hf_trusted* trusted,
                                    holdfast_error** error) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return hf_fail_errno(error, "SO_PEERCRED");
  if (is_trusted(peer.uid, trusted)) return HOLDFAST_OK;
  return refuse_owner(path, "its listener belongs to", peer.uid, error);
}

holdfast_code hf_connect(const char* path, const hf_trusted* trusted, long wait_ms, int* fd,
                         holdfast_error** error) {
  *fd = -1;
  if (strlen(path) > kMaxPath)
    return hf_fail(error, HOLDFAST_PATH_TOO_LONG,
                   "the socket's path has %zu bytes, the kernel takes %d: give a shorter one: %s",
                   strlen(path), kMaxPath, path);
  holdfast_code code = check(path, trusted, error);
  if (code != HOLDFAST_OK) return code;
  const int made =
      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (wait_ms > 0 ? 0 : SOCK_NONBLOCK), 0);
  if (made < 0) return hf_fail_errno(error, "socket");
  code = connect_within(made, path, wait_ms, error);
  if (code == HOLDFAST_OK) code = check_listener(made, path, trusted, error);
  if (code == HOLDFAST_OK && wait_ms > 0 && fcntl(made, F_SETFL, O_NONBLOCK) != 0)
    code = hf_fail_errno(error, "fcntl");
  if (code != HOLDFAST_OK) {
    close(made);
    return code;
  }
  *fd = made;
  return HOLDFAST_OK;
}

holdfast_code holdfast_connect(const char* path, int* fd, holdfast_error** error) {
  if (error) *error = NULL;
  if (!path || !fd)
    return hf_fail(error, HOLDFAST_INVALID_ARGUMENT, "holdfast_connect: a path and a place");
  const hf_trusted trusted = hf_find_trusted();
  return hf_connect(path, &trusted, 0, fd, error);
}
