// Protobuf messages as bytes that depend on nothing but their content, and Any in both directions.
#pragma once

#include <google/protobuf/any.pb.h>
#include <google/protobuf/message_lite.h>

#include <string>
#include <string_view>

namespace weft::xds {

/// Maps are written in the order of their keys, so that equal content gives equal bytes.
std::string serialize(const google::protobuf::MessageLite& message);
/// "type.googleapis.com/" and the message's full name.
std::string url_of(const google::protobuf::MessageLite& message);
void pack(google::protobuf::Any& any, const google::protobuf::MessageLite& message);
/// False if `any` holds another type or cannot be parsed.
bool unpack(const google::protobuf::Any& any, google::protobuf::MessageLite& message);
/// The fields that its type does not have, as they came on the wire. The lite runtime keeps them but shows
/// them for proto2 only.
const std::string& unknown_fields(const google::protobuf::MessageLite& message);

}  // namespace weft::xds
