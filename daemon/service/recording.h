// The record of what was decided, before its reply leaves. No record, no answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>

#include "daemon/audit/record.h"
#include "daemon/key/catalogue.h"
#include "daemon/service/service.h"

namespace holdfast {

// What every record of a caller's request has, whatever is decided of it.
audit::Record record_of(Service& service, const Caller& caller, std::string_view operation,
                        std::string key, const std::string& request_id);

// Of the daemon's own doings.
audit::Record own_record(Service& service, std::string operation, std::string code,
                         std::string reason);

// Its sequence number, once it is durable as configured; nullopt for a refusal that is one of so many that it
// was only counted. `format` is what was to be signed, empty: nothing was. `key` is the record's, or null. Throws as audit::Writer::write() does.
boost::asio::awaitable<std::optional<std::uint64_t>> put_on_record(Service& service,
                                                                   audit::Record record,
                                                                   std::string_view format,
                                                                   bool is_refusal,
                                                                   const Catalogue::Entry& key);

}  // namespace holdfast
