#include "xds/serialize.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

namespace weft::xds {
namespace {

struct Metadata : google::protobuf::MessageLite {
  static const google::protobuf::internal::InternalMetadata& of(
      const google::protobuf::MessageLite& message) {
    return message.*&Metadata::_internal_metadata_;
  }
};

}  // namespace

const std::string& unknown_fields(const google::protobuf::MessageLite& message) {
  return Metadata::of(message).unknown_fields<std::string>(&google::protobuf::internal::GetEmptyString);
}

std::string serialize(const google::protobuf::MessageLite& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

std::string url_of(const google::protobuf::MessageLite& message) {
  return "type.googleapis.com/" + message.GetTypeName();
}

void pack(google::protobuf::Any& any, const google::protobuf::MessageLite& message) {
  any.set_type_url(url_of(message));
  any.set_value(serialize(message));
}

bool unpack(const google::protobuf::Any& any, google::protobuf::MessageLite& message) {
  return any.type_url() == url_of(message) && message.ParseFromString(any.value());
}

}  // namespace weft::xds
