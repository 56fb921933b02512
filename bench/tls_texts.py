"""TLS for the benchmarks: the certificates, and the text that makes each proxy's configuration one of TLS to its clients or to
its backend. All speak TLS 1.3 over X25519 with AES-128-GCM, as clients and as servers with a certificate that the authority itself
has signed, and take no peer without one; tickets are as each has them by default."""
import pathlib

import certificates

NAME = "service.example"  # as bench_ends has it


def make(parent):
    """A folder of certificates: authority.crt, and server and client, each as .crt and .key and, for HAProxy, both as .pem."""
    folder = pathlib.Path(parent, "certificates")
    folder.mkdir()
    authority = certificates.authority(folder)
    for stem, name in (("server", NAME), ("client", "client.example")):
        files = certificates.certificate(folder, authority, name, client=stem == "client", stem=stem)
        (folder / f"{stem}.pem").write_text("".join(file.read_text() for file in files))
    return folder


def weft(folder):
    return (f"\n  tls: {{certificate: {folder}/server.crt, key: {folder}/server.key, clientCa: {folder}/authority.crt}}",
            f", tls: {{ca: {folder}/authority.crt, name: {NAME}, certificate: {folder}/client.crt, key: {folder}/client.key}}")


def nginx(folder):
    def common(prefix, stem):
        return (f"{prefix}_certificate {folder}/{stem}.crt; {prefix}_certificate_key {folder}/{stem}.key; {prefix}_protocols TLSv1.3; "
                f"{prefix}_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;")
    return (f"{common('ssl', 'server')} ssl_ecdh_curve X25519; ssl_client_certificate {folder}/authority.crt; ssl_verify_client on;",
            f"{common('proxy_ssl', 'client')} proxy_ssl_trusted_certificate {folder}/authority.crt; proxy_ssl_verify on; "
            f"proxy_ssl_name {NAME}; proxy_ssl_server_name on;")


def haproxy(folder):
    common = f"verify required ca-file {folder}/authority.crt ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256"
    return f" ssl crt {folder}/server.pem {common} curves X25519", f" ssl crt {folder}/client.pem {common} sni str({NAME})"


def envoy(folder):
    def socket(kind, stem, name, validation=""):
        return (f'transport_socket: {{name: tls, typed_config: {{"@type": '
                f'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{kind}, {name}, common_tls_context: {{tls_params: '
                f'{{tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3, ecdh_curves: [X25519]}}, '
                f'tls_certificates: [{{certificate_chain: {{filename: {folder}/{stem}.crt}}, private_key: {{filename: {folder}/{stem}.key}}}}], '
                f'validation_context: {{trusted_ca: {{filename: {folder}/authority.crt}}{validation}}}}}}}}}')
    name = f", match_typed_subject_alt_names: [{{san_type: DNS, matcher: {{exact: {NAME}}}}}]"
    return (socket("DownstreamTlsContext", "server", "require_client_certificate: true"),
            socket("UpstreamTlsContext", "client", f"sni: {NAME}", name))


BY_KIND = {"weft": weft, "nginx": nginx, "haproxy": haproxy, "envoy": envoy}
