// Secrets as documents: their values in one form, and left out where somebody may read along.
#pragma once

#include "base/json.h"

namespace weft::model {

/// The document with the texts of a Secret's stringData in its data (in base64, replacing what is there), as
/// the Kubernetes API server stores them; any other document as it is.
base::Json with_folded_data(base::Json document);

/// The document as it may be shown: in a Secret each value is "(hidden, 12 bytes)", which no data can be, and
/// so in the annotation with what was applied last. A List counts as its items. Any other document as it is.
base::Json without_values(base::Json document);

/// Of a Secret, hides the values in the annotation with what was applied last: kubectl puts them there.
void hide_last_applied(base::Json& document);

/// Two states of one object, or one and a patch of it with its kind, as they may be shown side by side: a
/// value of a Secret is "(hidden)" where both have it, else "(hidden, before)" and "(hidden, after)".
void hide_values(base::Json& before, base::Json& after);

}  // namespace weft::model
