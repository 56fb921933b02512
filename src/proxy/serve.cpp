#include "proxy/h1_client.h"
#include "proxy/h2_client.h"
#include "proxy/serve_impl.h"

namespace weft::proxy {

template runtime::Task<bool> serve_request<H1Session>(H1Client& client);
template runtime::Task<bool> serve_request<H1Session>(H2Request& client);
template runtime::Task<bool> refuse_malformed(H1Client& client, message::Refusal refusal);
template runtime::Task<bool> refuse_malformed(H2Request& client, message::Refusal refusal);

}  // namespace weft::proxy
