#include "cli/certificate_dates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;
using std::chrono::days;

const base::WallTime start = base::WallTime(days(20'000));  // 2024-10-04

tls::Validity until(base::Duration end) { return {.begin = start - days(1), .end = start + end}; }

TEST(CertificateDates, SayWhatEndsSoonAndWhatHasEnded) {
  CertificateDates dates;
  dates.add_own("web.crt", {until(days(10)), until(days(300))});
  dates.add_authorities("ca.crt", {until(days(5)), until(days(300))});
  EXPECT_THAT(dates.warnings(start), IsEmpty()) << "another authority goes on";
  EXPECT_THAT(dates.warnings(start + days(4)), ElementsAre("web.crt: the certificate expires on 2024-10-14"));
  EXPECT_THAT(dates.warnings(start + days(10) - 1ns),
              ElementsAre("web.crt: the certificate expires on 2024-10-14"));
  EXPECT_THAT(dates.warnings(start + days(10)),
              ElementsAre("web.crt: the certificate has expired on 2024-10-14: peers will refuse it"));
}

TEST(CertificateDates, AreSaidOnceADayAndWhenOneEnds) {
  CertificateDates dates;
  EXPECT_EQ(dates.due_after(start), start + days(1));
  dates.add_own("web.crt", {until(days(30)), until(days(20) + 5h)});
  dates.add_authorities("ca.crt", {until(days(20) + 2h), until(days(40) + 1h)});
  EXPECT_EQ(dates.due_after(start), start + days(1));
  EXPECT_EQ(dates.due_after(start + days(20)), start + days(20) + 5h) << "another authority goes on";
  EXPECT_EQ(dates.due_after(start + days(20) + 5h), start + days(21) + 5h);
  EXPECT_EQ(dates.due_after(start + days(40)), start + days(40) + 1h);
}

TEST(CertificateDates, AreAGaugeOfEachFile) {
  constexpr auto name = "weft_tls_certificate_expiry_timestamp_seconds";
  CertificateDates dates;
  dates.add_own("own.crt", {until(days(30)), until(days(20))});
  dates.add_authorities("own.crt", {until(days(10)), until(days(40))});
  dates.add_authorities("ca.crt", {until(days(25)), until(days(40))});
  dates.add_own("old.crt", {{.begin = {}, .end = base::WallTime(-days(1))}});
  telemetry::Samples samples;
  dates.add_to(samples);
  const auto of = [&](const char* file) { return samples.total(name, {{"file", file}}); };
  EXPECT_EQ(of("own.crt"), 20'020U * 86'400) << "where it is shown";
  EXPECT_EQ(of("ca.crt"), 20'040U * 86'400);
  EXPECT_EQ(of("old.crt"), 0U);
}

}  // namespace
}  // namespace weft::cli
