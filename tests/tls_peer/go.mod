module weft.dev/tests/tls_peer

go 1.21
