#include "proxy/opening/client_hello.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "proxy/opening/hello_for_test.h"

namespace weft::proxy::opening {
namespace {

using namespace std::string_literals;
using testing::extension;
using testing::hello_message;
using testing::records;
using testing::server_name;
using testing::vector;
using Fault = HelloFault;

const std::string grease = extension(0x0a0a, "") + extension(0xfafa, "\0"s);
/// Only the outer name is in the clear.
const std::string ech = extension(0xfe0d, std::string(200, 'e'));
const std::string alpn = extension(16, vector(2, vector(1, "h2") + vector(1, "http/1.1")));

Fault fault(std::string_view bytes) {
  const auto hello = parse_client_hello(bytes);
  EXPECT_FALSE(hello);
  return hello ? Fault::not_tls : hello.error();
}
Fault fault_of_message(std::string_view message) { return fault(records(message)); }

TEST(ClientHelloTest, FragmentedAtAnyByte) {
  const auto message =
      hello_message(grease + ech + server_name("Shop.Example") + alpn + extension(51, "key"));
  const ClientHello expected{"Shop.Example", {"h2", "http/1.1"}};
  for (std::size_t size = 1; size <= message.size(); ++size) {
    const auto bytes = records(message, size);
    const auto hello = parse_client_hello(bytes + "early data");
    ASSERT_TRUE(hello && *hello) << size;
    EXPECT_EQ(**hello, expected);
  }
  const auto bytes = records(message, 100);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto part = parse_client_hello(std::string_view(bytes).substr(0, size));
    EXPECT_TRUE(part && !*part) << size;
  }
}

TEST(ClientHelloTest, WithoutNameOrExtensions) {
  const auto none = parse_client_hello(records(hello_message("")));
  ASSERT_TRUE(none && *none);
  EXPECT_EQ(**none, ClientHello());
  const auto old =
      '\1' + vector(3, "\3\1" + std::string(32, 'r') + "\0"s + vector(2, "\0\x2f"s) + vector(1, "\0"s));
  const auto hello = parse_client_hello(records(old));
  ASSERT_TRUE(hello && *hello);
  EXPECT_EQ(**hello, ClientHello());
}

TEST(ClientHelloTest, NoTls) {
  EXPECT_EQ(fault("GET / HTTP/1.1\r\n"), Fault::not_tls);
  EXPECT_EQ(fault("\x80\x2e\1\3\1"), Fault::not_tls) << "SSL 2";
  EXPECT_EQ(fault("\x16\4"), Fault::not_tls);
  EXPECT_EQ(fault("\x15\3\1\0\2\2\x28"s), Fault::not_tls) << "an alert";
}

TEST(ClientHelloTest, BadRecords) {
  const auto message = hello_message(server_name("shop.example"));
  EXPECT_EQ(fault("\x16\3\1\0\0"s), Fault::bad_record) << "empty";
  EXPECT_EQ(fault("\x16\3\1\x40\1"s), Fault::bad_record) << "above 2^14";
  EXPECT_EQ(fault(records(message.substr(0, 9)) + "\x14\3\1\0\1\1"s), Fault::bad_record)
      << "another type between";
  EXPECT_EQ(fault_of_message("\2" + message.substr(1)), Fault::not_a_hello);
  EXPECT_EQ(fault_of_message("\1\0\x3f\xfd"s), Fault::too_long);
  const auto longest = parse_client_hello(records("\1\0\x3f\xfc"s));
  EXPECT_TRUE(longest && !*longest);
}

TEST(ClientHelloTest, Malformed) {
  const std::string hello = hello_message(server_name("shop.example"));
  // Any length within that is wrong by one.
  const auto body = hello.substr(4);
  EXPECT_EQ(fault_of_message('\1' + vector(3, body.substr(0, body.size() - 1))), Fault::malformed);
  EXPECT_EQ(fault_of_message('\1' + vector(3, body + "x")), Fault::malformed);
  EXPECT_EQ(fault_of_message('\1' + vector(3, body.substr(0, 20))), Fault::malformed);
  EXPECT_EQ(fault_of_message('\1' + vector(3, "")), Fault::malformed);
  const auto of = [](std::string_view extensions) { return fault_of_message(hello_message(extensions)); };
  EXPECT_EQ(of("\0"s), Fault::malformed);
  EXPECT_EQ(of(server_name("a.example") + server_name("b.example")), Fault::malformed) << "two of a type";
  EXPECT_EQ(of(alpn + alpn), Fault::malformed);
  EXPECT_EQ(of(extension(0, "")), Fault::malformed);
  EXPECT_EQ(of(extension(0, vector(2, ""))), Fault::malformed);
  EXPECT_EQ(of(extension(0, vector(2, "\1"s + vector(2, "shop")))), Fault::malformed) << "no host_name";
  const auto name = "\0"s + vector(2, "shop");
  EXPECT_EQ(of(extension(0, vector(2, name + name))), Fault::malformed) << "two names";
  EXPECT_EQ(of(extension(0, vector(2, name) + "x")), Fault::malformed);
  EXPECT_EQ(of(extension(16, vector(2, ""))), Fault::malformed);
  EXPECT_EQ(of(extension(16, vector(2, vector(1, "")))), Fault::malformed);
  EXPECT_EQ(of(extension(16, vector(2, "\5h2"))), Fault::malformed);
}

TEST(ClientHelloTest, NamesThatAreNoHosts) {
  for (const auto& name :
       {""s, "a b"s, "shop\0.example"s, "shop:443"s, "[::1]"s, "sh\xc3\xb6p"s, std::string(254, 'a')})
    EXPECT_EQ(fault_of_message(hello_message(server_name(name))), Fault::bad_name) << name;
}

TEST(ClientHelloTest, AlertsAreRecords) {
  EXPECT_EQ(tls_alert(alert_unrecognized_name), "\x15\3\3\0\2\2\x70"s);
}

TEST(ClientHelloTest, ItsFirstRecordIsThereAsAWhole) {
  const auto hello = testing::hello_to("shop.example");
  for (std::size_t size = 0; size < hello.size(); ++size)
    EXPECT_FALSE(has_first_record(hello.substr(0, size))) << size;
  EXPECT_TRUE(has_first_record(hello));
  EXPECT_TRUE(has_first_record(hello + "more"));
  EXPECT_TRUE(has_first_record("GET")) << "it is none";
  EXPECT_TRUE(has_first_record("\x16\x03\x01\xff\xff")) << "no record is so long";
  const auto longest = "\x16\x03\x01\x40" + std::string(1, '\0') + std::string(16 * 1024, 'x');
  EXPECT_EQ(longest.size(), max_first_record_bytes);
  EXPECT_TRUE(has_first_record(longest));
}

}  // namespace
}  // namespace weft::proxy::opening
