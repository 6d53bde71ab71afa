// What the hostile module (hostile_module.cpp) is told to do wrong: the file that $HOLDFAST_HOSTILE_FILE names,
// read anew at each call. Words of the form name=value, separated by white space; no file, no fault.
//
//   FUNCTION=FAULT    C_… without the prefix, such as SignInit=rv:0x30; FAULT*N: for the first N calls since the
//                     file changed. Faults of every function:
//     rv:NUMBER       returns this code and does nothing
//     crash hang exit sleep:MILLISECONDS
//   and of some:
//     short long longest garbage   Sign: a byte less, one more, more than there was room for; bytes that are
//                                  no signature
//     long            FindObjects, GetAttributeValue, GetSlotList, GetMechanismList: more than there was room for
//     half            GenerateKeyPair: makes both keys and returns CKR_DEVICE_ERROR
//   sessions=N        ulMaxSessionCount, which is kept
//   serial=TEXT       the token's
//   user_pin=TEXT     in place of 7391
//   pin=low|final|locked   flags of the token
//   point=bare|other  CKA_EC_POINT without its wrapper, or another key's
//   always=yes        CKA_ALWAYS_AUTHENTICATE
//   generic_secret=NUMBER  CreateObject returns this code for a CKK_GENERIC_SECRET
//   trace=PATH        to which the name of each function that is called is added, a line each
#pragma once

#include <optional>
#include <string>

namespace hostile {

// Counts this call of C_`function`, and crashes, hangs, exits or sleeps if it is to. The fault that is left to
// the function itself; empty for none.
std::string enter(const std::string& function);

// The code of a fault "rv:…".
std::optional<unsigned long> code_of(const std::string& fault);

// The value of a word of the file; empty if it isn't there.
std::string setting(const std::string& name);

int calls_of(const std::string& function);
int most_asleep();  // at once, in a fault "sleep:…"

}  // namespace hostile
