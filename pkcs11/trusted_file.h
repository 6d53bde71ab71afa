// Files whose content nobody but root, or the user that this process runs as, can choose.
#pragma once

#include <string>

namespace holdfast::pkcs11 {

// The file that the absolute `path` leads to, without a symbolic link in it. Throws Error{invalid_request},
// with the command that cures it, unless the file and each folder and link on the way belong to root or to
// us and nobody else can write them.
std::string trusted_file(const std::string& path);

}  // namespace holdfast::pkcs11
