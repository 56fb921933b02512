#include "proxy/exchange_impl.h"
#include "proxy/h1_client.h"
#include "proxy/h1_session.h"
#include "proxy/h2_client.h"
#include "proxy/h2_session.h"

namespace weft::proxy {

template runtime::Task<Failure> exchange(Request& request, H1Client& client, Lease<H1Session> lease);
template runtime::Task<Failure> exchange(Request& request, H1Client& client, Lease<H2Session> lease);
template runtime::Task<Failure> exchange(Request& request, H2Request& client, Lease<H1Session> lease);
template runtime::Task<Failure> exchange(Request& request, H2Request& client, Lease<H2Session> lease);

}  // namespace weft::proxy
