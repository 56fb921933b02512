// Whom the kernel kills first when the machine's memory is short: oom_score_adj, from -1000 to 1000.
#pragma once

namespace weft::provider::process {

/// The instances first, then control plane and proxy, which are started again at once, the supervisor and its
/// keeper last.
struct OomScores {
  int instance = 0;
  int own = 0;
  /// What the supervisor was started with; its keeper finds its own from that.
  int found = 0;
};

/// What the supervisor and its keeper want for themselves, where it was `found`.
int protected_oom_score(int found);
/// Lowers this process's own score, where it was `found`, if it may (CAP_SYS_RESOURCE), and says what the
/// others get: where it may not, theirs are raised instead.
OomScores protect_from_oom(int found);

}  // namespace weft::provider::process
