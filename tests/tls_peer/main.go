// Go's own TLS and HTTP as a peer of `weft proxy`, with certificates on both sides.
//
//	tls_peer serve PORT CA CERTIFICATE KEY
//	tls_peer get URL NAME CA CERTIFICATE KEY   PROTOCOL (http/1.1 or h2)
//
// The server answers with what it saw of the request; at a path that begins with /last it ends the connection. The client sends a body of a megabyte on a connection of its own, twice, and prints a line for each answer.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

const bodyBytes = 1 << 20

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "tls_peer:", err)
		os.Exit(1)
	}
	return value
}

func settings(ca, certificate, key string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(must(os.ReadFile(ca)))
	return &tls.Config{RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		Certificates:       []tls.Certificate{must(tls.LoadX509KeyPair(certificate, key))},
		ClientSessionCache: tls.NewLRUClientSessionCache(8)}
}

func answer(to http.ResponseWriter, request *http.Request) {
	if strings.HasPrefix(request.URL.Path, "/last") {
		to.Header().Set("Connection", "close")
	}
	state := request.TLS
	fmt.Fprintf(to, "%s %s %s resumed=%t", request.Proto, state.PeerCertificates[0].Subject.CommonName, state.ServerName,
		state.DidResume)
}

func serve(port, ca, certificate, key string) {
	listener := must(net.Listen("tcp", "127.0.0.1:"+port))
	server := http.Server{Handler: http.HandlerFunc(answer), TLSConfig: settings(ca, certificate, key)}
	must(0, server.ServeTLS(listener, "", ""))
}

func get(url, name, ca, certificate, key, protocol string) {
	config := settings(ca, certificate, key)
	config.ServerName = name
	config.NextProtos = []string{protocol}
	body := bytes.Repeat([]byte("0123456789abcdef"), bodyBytes/16)
	for range [2]int{} {
		transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: protocol == "h2"}
		response := must((&http.Client{Transport: transport}).Post(url, "text/plain", bytes.NewReader(body)))
		got := must(io.ReadAll(response.Body))
		fmt.Printf("%s %d %s same=%t resumed=%t\n", response.Proto, response.StatusCode, tls.VersionName(response.TLS.Version),
			bytes.HasSuffix(got, body), response.TLS.DidResume)
		transport.CloseIdleConnections()
	}
}

func main() {
	if words := os.Args[1:]; len(words) == 5 && words[0] == "serve" {
		serve(words[1], words[2], words[3], words[4])
	} else if len(words) == 7 && words[0] == "get" {
		get(words[1], words[2], words[3], words[4], words[5], words[6])
	} else {
		os.Exit(2)
	}
}
