// Mints a token for an API and prints it.
#include <holdfast/holdfast.hpp>
#include <iostream>

int main(int count, char** arguments) {
  if (count != 3) {
    std::cerr << "usage: " << arguments[0] << " KEY AUDIENCE\n";
    return 2;
  }
  try {
    const holdfast::client client;
    const holdfast::jwt_reply minted = client.mint(
        {.key = arguments[1], .audiences = {arguments[2]}, .ttl = std::chrono::minutes(5)});
    std::cout << minted.token << "\n";
    std::cerr << "until " << minted.expires_at << ", key " << minted.kid << "\n";
    return 0;
  } catch (const holdfast::error& failure) {
    std::cerr << failure.code_text() << ": " << failure.what() << "\n";
    return 1;
  }
}
