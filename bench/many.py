"""The text that makes each proxy's configuration one of 1,000 clusters x 10 endpoints, each chosen by its host name."""

CLUSTERS = 1000
ENDPOINTS = 10


def endpoints(cluster):
    """Addresses that nobody connects to; all differ."""
    return [(f"127.1.{cluster // 250}.{cluster % 250 + 1}", 9000 + i) for i in range(ENDPOINTS)]


def each(form, separator="\n"):
    return separator.join(form(f"c{i}", endpoints(i)) for i in range(CLUSTERS))


def weft():
    def cluster(name, addresses):
        listed = ", ".join(f'"{ip}:{port}"' for ip, port in addresses)
        return f"- {{name: {name}, endpoints: [{listed}]}}"

    def route(name, _):
        return f"  - {{hosts: [{name}.example], cluster: {name}}}"
    return {"ROUTES": each(route), "CLUSTERS": each(cluster)}


def nginx():
    def upstream(name, addresses):
        return f"upstream {name} {{ {' '.join(f'server {ip}:{port};' for ip, port in addresses)} keepalive 16; }}"
    chosen = each(lambda name, _: f"{name}.example {name};")
    table = f"map_hash_max_size 4096; map_hash_bucket_size 64;\nmap $host $cluster {{ default app; {chosen} }}\n"
    return {"CLUSTERS": table + each(upstream), "TARGET": "$cluster"}


def haproxy():
    def backend(name, addresses):
        servers = "\n".join(f"  server {name}-{port} {ip}:{port}" for ip, port in addresses)
        return f"backend {name}.example\n{servers}"
    return {"CLUSTERS": each(backend), "TARGET": "%[req.hdr(host),lower]"}


def envoy():
    def cluster(name, addresses):
        hosts = ", ".join(f"{{endpoint: {{address: {{socket_address: {{address: {ip}, port_value: {port}}}}}}}}}"
                          for ip, port in addresses)
        return (f"  - {{name: {name}, connect_timeout: 5s, type: STATIC, load_assignment: "
                f"{{cluster_name: {name}, endpoints: [{{lb_endpoints: [{hosts}]}}]}}}}")

    def route(name, _):
        return (f"            - {{name: {name}, domains: [{name}.example], "
                f"routes: [{{match: {{prefix: /}}, route: {{cluster: {name}}}}}]}}")
    return {"ROUTES": each(route), "CLUSTERS": each(cluster)}


BY_KIND = {"weft": weft, "nginx": nginx, "haproxy": haproxy, "envoy": envoy}
