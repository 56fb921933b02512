#include "runtime/work_thread.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <thread>
#include <vector>

namespace weft::runtime {
namespace {

TEST(WorkThread, DoesAllInItsOrderAlsoAtItsEnd) {
  std::vector<int> done;
  std::thread::id where;
  bool blocks_signals = false;
  {
    auto thread = WorkThread::start();
    ASSERT_TRUE(thread) << thread.error().message();
    (*thread)->run([&] {
      where = std::this_thread::get_id();
      sigset_t mask;
      pthread_sigmask(SIG_SETMASK, nullptr, &mask);
      blocks_signals = sigismember(&mask, SIGTERM) == 1;
    });
    for (int i = 0; i < 100; ++i) (*thread)->run([&done, i] { done.push_back(i); });
  }
  ASSERT_EQ(done.size(), 100U);
  EXPECT_TRUE(std::ranges::is_sorted(done));
  EXPECT_NE(where, std::this_thread::get_id());
  EXPECT_TRUE(blocks_signals);
}

}  // namespace
}  // namespace weft::runtime
